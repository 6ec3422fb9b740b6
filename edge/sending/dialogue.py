"""What a client of SMTP submission says that matters: STARTTLS, AUTH and the message (RFC 6409).

- STARTTLS goes through the event loop's own ``start_tls``, which uvloop has too, and never with
  something read before it: what follows in plain text could have been put there by anybody.
- A message ends in ``CRLF . CRLF`` and nothing else; that one with a bare CR or LF in it is refused
  whole (:mod:`edge.sending.trace`): two servers that disagree about where a message ends are what
  SMTP smuggling is made of.
- A message is read in pieces of up to 64 KiB, not line by line, and its bytes count against a
  budget that all connections share.
"""

import asyncio
import base64
import binascii
from typing import Final

from edge.model.domain import Domain
from edge.sending.conversation import AUTH_OCTETS, Conversation, End, Submission, text_of
from edge.sending.message import MAX_MESSAGE, MAX_RECIPIENTS
from edge.sending.paths import NotAPath, Path, parse

DATA_SECONDS: Final = 900.0
"""The longest that one message may take to come in."""

HANDSHAKE_SECONDS: Final = 30.0
MOST_LOGINS: Final = 3
"""Failed ones of a connection."""


class Dialogue(Conversation):
    """A connection; ``implicit`` where TLS began with its first byte."""

    _logins = 0

    # --- security -------------------------------------------------------------------------------

    async def smtp_STARTTLS(self, argument: str) -> None:  # noqa: N802 - aiosmtpd finds it by its name
        """RFC 3207; what was said before it is forgotten, and nothing may come with it."""
        context = self.shared.context
        if argument:
            await self.fault("501 5.5.4 Syntax: STARTTLS")
        elif context is None or self.tls:
            await self.fault("503 5.5.1 STARTTLS is not offered now")
        elif self._reader._buffer:  # type: ignore[attr-defined]  # asyncio has no name for it
            self.shared.refused("starttls-injection")
            raise End("421 4.7.0 nothing may follow STARTTLS before TLS")
        else:
            await self.say("220 2.0.0 Ready to start TLS")
            if self._reader._buffer:  # type: ignore[attr-defined]  # as above
                raise End("")
            # From here to the change of protocols nothing is read: the reply was taken, so drain
            # does not wait. Nor may the buffer be emptied afterwards: what is in it came over TLS.
            await self._writer.start_tls(context, ssl_handshake_timeout=HANDSHAKE_SECONDS)
            # The reader is the same; of the transport below it only the writer was told.
            self.transport = self._writer.transport
            self._reader._transport = self.transport  # type: ignore[attr-defined]  # asyncio forgot it
            self.reset()
            self.helo, self.extended, self.tls = "", False, True

    async def smtp_AUTH(self, argument: str) -> None:  # noqa: N802 - as above
        """RFC 4954 with PLAIN (RFC 4616) and LOGIN, only over TLS."""
        mechanism, _, initial = argument.partition(" ")
        if not self.extended or self.domain or self.sender is not None:
            await self.fault("503 5.5.1 AUTH comes once, after EHLO and before MAIL")
        elif not self.tls:
            await self.fault("538 5.7.11 AUTH needs TLS: STARTTLS first")
        elif mechanism.upper() not in {"PLAIN", "LOGIN"}:
            await self.fault("504 5.5.4 PLAIN or LOGIN")
        elif (given := await self._credentials(mechanism.upper(), initial)) is None:
            await self.fault("501 5.5.2 not the Base64 of a login and a password")
        else:
            result = await self.shared.login(*given, self.ip)
            if isinstance(result, Domain):
                self.domain = result
                await self.say("235 2.7.0 Authentication successful")
                return
            self._logins += 1
            await self.say(result)
            if self._logins >= MOST_LOGINS:
                raise End("421 4.7.0 too many failed logins")

    async def _credentials(self, mechanism: str, initial: str) -> tuple[str, str] | None:
        if mechanism == "PLAIN":
            whole = await self._answer("") if not initial else _decoded(initial)
            parts = whole.split("\0") if whole is not None else []
            return (parts[1], parts[2]) if len(parts) == 3 else None
        user = await self._answer("Username:") if not initial else _decoded(initial)
        if user is None:
            return None
        password = await self._answer("Password:")
        return None if password is None else (user, password)

    async def _answer(self, question: str) -> str | None:
        await self.say("334 " + base64.b64encode(question.encode()).decode())
        line = await self.line()
        text = text_of(line) if len(line) <= AUTH_OCTETS else None
        return None if text is None else _decoded(text)

    # --- the message ----------------------------------------------------------------------------

    async def smtp_MAIL(self, argument: str) -> None:  # noqa: N802 - as above
        """RFC 5321 § 4.1.1.2 with SIZE, BODY, SMTPUTF8 and AUTH; ``<>`` is nobody."""
        if not self.helo or self.sender is not None:
            await self.fault("503 5.5.1 MAIL comes after EHLO, and once for each message")
            return
        if self.domain is None and not self.shared.trusts(self.ip):
            self.shared.refused("not-allowed")
            await self.fault(
                "530 5.7.0 authentication required"
                if self.shared.context is not None or self.tls
                else "550 5.7.1 not from your address; EDGE_SMTP_NETWORKS says who may send"
            )
            return
        try:
            path = parse(argument, "FROM")
        except NotAPath as error:
            await self.fault(f"501 5.1.7 Syntax: MAIL FROM:<address>; {error}")
            return
        if refusal := _unfit(path):
            if refusal.startswith("552"):
                self.shared.refused("size")
            await self.fault(refusal)
            return
        self.sender = path.address
        self.utf8 = "SMTPUTF8" in path.parameters
        await self.say("250 2.1.0 OK")

    async def smtp_RCPT(self, argument: str) -> None:  # noqa: N802 - as above
        """RFC 5321 § 4.1.1.3."""
        if self.sender is None:
            await self.fault("503 5.5.1 RCPT comes after MAIL")
            return
        if len(self.recipients) >= MAX_RECIPIENTS:
            self.shared.refused("recipients")
            await self.say("452 4.5.3 too many recipients; send the others another message")
            return
        try:
            path = parse(argument, "TO")
        except NotAPath as error:
            await self.fault(f"501 5.1.3 Syntax: RCPT TO:<address>; {error}")
            return
        if not path.address:
            await self.fault("501 5.1.3 <> is no recipient")
        elif path.parameters:
            await self.fault("555 5.5.4 RCPT takes no parameters here")
        elif not path.address.isascii() and not self.utf8:
            await self.fault("553 5.6.7 a non-ASCII address needs SMTPUTF8")
        else:
            self.recipients.append(path.address)
            await self.say("250 2.1.5 OK")

    async def smtp_DATA(self, argument: str) -> None:  # noqa: N802 - as above
        """RFC 5321 § 4.1.1.4; 250 only when the message is on the disk."""
        if argument or not self.recipients:
            await self.fault("503 5.5.1 DATA comes after RCPT, and alone")
            return
        await self.say("354 End data with <CR><LF>.<CR><LF>")
        held = [0]
        try:
            try:
                async with asyncio.timeout(DATA_SECONDS):
                    content = await self._content(held)
            except TimeoutError:
                self.shared.refused("timeout")
                raise End("421 4.4.2 the message took too long") from None
            reply = content if isinstance(content, str) else await self._submit(content)
        finally:
            self.shared.hold(-held[0])
        await self.say(reply)
        self.reset()
        if reply.startswith("2"):
            self.junk = 0

    async def _submit(self, content: bytes) -> str:
        self._reset_timeout()
        return await self.shared.take(
            Submission(
                sender=self.sender or "",
                recipients=tuple(dict.fromkeys(self.recipients)),
                data=content,
                helo=self.helo,
                ip=self.ip,
                extended=self.extended,
                tls=self.tls,
                utf8=self.utf8,
                domain=self.domain,
            )
        )

    async def _content(self, held: list[int]) -> bytes | str:
        """The message up to its final dot, without the stuffed ones; or the reply that refuses it.

        A refused one is read to its end all the same, and thrown away: otherwise its rest would be
        taken for commands. ``held[0]`` is what it has of the shared budget.
        """
        data, total, refusal = bytearray(), 0, ""
        while True:
            try:
                piece = await self._reader.readuntil(b".\r\n")
            except asyncio.LimitOverrunError as overrun:
                piece = await self._reader.read(overrun.consumed)
            self._reset_timeout()
            total += len(piece)
            data += piece
            if not refusal:
                if total > MAX_MESSAGE + MAX_MESSAGE // 64:  # its dots may be stuffed
                    refusal = self._too_big()
                elif self.shared.hold(len(piece)):
                    held[0] += len(piece)
                else:
                    self.shared.refused("memory")
                    refusal = "452 4.3.1 too many large messages at once; try again"
            if refusal:
                del data[:-5]
                self.shared.hold(-held[0])
                held[0] = 0
            if data.endswith(b"\r\n.\r\n") or (total == 3 and data == b".\r\n"):
                break
        if refusal:
            return refusal
        message = bytes(data[:-3].removeprefix(b".")).replace(b"\r\n.", b"\r\n")
        return message if len(message) <= MAX_MESSAGE else self._too_big()

    def _too_big(self) -> str:
        self.shared.refused("size")
        return f"552 5.3.4 a message may have {MAX_MESSAGE} octets"


def _decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        return None


def _unfit(path: Path) -> str:
    """The reply to parameters of MAIL that cannot be met; empty if all can."""
    for name, value in path.parameters.items():
        if name == "SIZE":
            if not (value.isascii() and value.isdigit() and len(value) <= 20):
                return "501 5.5.4 Syntax: SIZE=octets"
            if int(value) > MAX_MESSAGE:
                return f"552 5.3.4 a message may have {MAX_MESSAGE} octets"
        elif name == "BODY":
            if value.upper() not in {"7BIT", "8BITMIME"}:
                return "501 5.5.4 BODY is 7BIT or 8BITMIME"
        elif name not in {"SMTPUTF8", "AUTH"}:
            return "555 5.5.4 a parameter that is not known here"
    if not path.address.isascii() and "SMTPUTF8" not in path.parameters:
        return "553 5.6.7 a non-ASCII address needs SMTPUTF8"
    return ""
