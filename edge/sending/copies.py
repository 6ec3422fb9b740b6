"""Finished copies: the message of a delivery, instrumented, signed, ready to leave.

A message is compiled once and kept while its copies are being made; what is done to it follows its
domain's switches and its own.
"""

import asyncio
from collections import OrderedDict
from typing import Final

import msgspec

from edge.model.errors import CallerError
from edge.model.tokens import Kind, Target
from edge.rewriting.instructions import Instructions
from edge.rewriting.report import Report
from edge.rewriting.switches import decide
from edge.rewriting.template import Template, compile_message
from edge.rewriting.variables import Recipient
from edge.sending.dkim import normalized
from edge.sending.dns_records import BOUNCES
from edge.sending.homes import Home, Homes
from edge.sending.message import Options
from edge.sending.return_path import Purpose
from edge.store.deliveries import Delivery
from edge.store.messages import Stored

REMEMBERED: Final = 32
"""Compiled messages kept at most; those of large messages are not kept."""

LARGE: Final = 256 * 1024
"""Octets from which a copy is made in a thread, so that other deliveries need not wait."""


class Letter(msgspec.Struct, frozen=True):
    """A stored message with its options read."""

    stored: Stored
    options: Options

    @classmethod
    def of(cls, stored: Stored) -> "Letter":
        """Read the options of a stored message."""
        return cls(stored, msgspec.json.decode(stored.options, type=Options))


class Copy(msgspec.Struct, frozen=True):
    """What leaves: the envelope's sender and the message, with CRLF line ends."""

    sender: str
    message: bytes


class Copies:
    """Makes copies; one per process."""

    def __init__(self, homes: Homes) -> None:
        self._homes = homes
        self._templates: OrderedDict[tuple[int, int], Template] = OrderedDict()

    async def make(
        self, home: Home, delivery: Delivery, letter: Letter, source: bytes, at: int
    ) -> Copy:
        """The copy for one recipient; ``at`` in µs. Raises CallerError where none can be made."""
        if len(source) > LARGE:
            return await asyncio.to_thread(self._make, home, delivery, letter, source, at)
        return self._make(home, delivery, letter, source, at)

    def _make(self, home: Home, delivery: Delivery, letter: Letter, source: bytes, at: int) -> Copy:
        template = self._template(home, letter, source)
        paths = self._homes.return_paths
        assert paths is not None, "homes were read before anything is sent"
        bounces = f"{BOUNCES}.{home.domain.name}"

        def unsubscribe_email(_: Recipient) -> str:
            return f"{paths.local_part(Purpose.UNSUBSCRIBE, delivery.id)}@{bounces}"

        variables = msgspec.json.decode(delivery.variables) if delivery.variables else {}
        message = template.render(
            Recipient(delivery.recipient, delivery.name),
            variables,
            unsubscribe_email=unsubscribe_email,
        )
        sender = f"{paths.local_part(Purpose.BOUNCE, delivery.id)}@{bounces}"
        if letter.options.dkim is False:
            return Copy(sender, normalized(message))
        return Copy(sender, home.signer.signed(message, at // 1_000_000))

    def report(self, home: Home, delivery: Delivery, letter: Letter, source: bytes) -> Report:
        """What is done to each URL and part of the copy for one recipient, and why.

        By the domain's switches as they are now. Raises CallerError where no copy can be made.
        """
        template = self._compiled(home, letter, source)
        variables = msgspec.json.decode(delivery.variables) if delivery.variables else {}
        return template.instrument(Recipient(delivery.recipient, delivery.name), variables).report

    def _template(self, home: Home, letter: Letter, source: bytes) -> Template:
        key = (letter.stored.number, id(home))
        template = self._templates.get(key)
        if template is not None:
            self._templates.move_to_end(key)
            return template
        template = self._compiled(home, letter, source)
        if len(source) <= LARGE:
            self._templates[key] = template
            if len(self._templates) > REMEMBERED:
                self._templates.popitem(last=False)
        return template

    def _compiled(self, home: Home, letter: Letter, source: bytes) -> Template:
        options = letter.options
        tracking = decide(home.domain, options.given)
        footers = home.footers if tracking.unsubscribes and not options.mailing_list else None
        if options.mailing_list:
            # Members can always leave the list, whatever the domain says of its other mail.
            tracking = msgspec.structs.replace(tracking, unsubscribes=True)
        instructions = Instructions(
            domain=home.domain,
            tracking=tracking,
            message_id=letter.stored.message_id,
            tags=options.tags,
            mailing_list=options.mailing_list,
            html_footer=footers.html if footers else "",
            text_footer=footers.text if footers else "",
            personal=options.personal,
            own_hosts=home.hosts,
        )

        def seal(kind: Kind, target: Target) -> str:
            return self._homes.seal(home, kind, target)

        try:
            return compile_message(source, instructions, seal)
        except CallerError as error:
            raise CallerError(f"the message cannot be made: {error}") from error
