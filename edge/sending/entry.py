"""From messages that were read to the rows and events of their acceptance; pure.

A message to ordinary recipients is one piece. A mailing list among its recipients is a piece of
its own, for its subscribed members: what its readers do belongs to the list, and their events are
told apart by a Message-Id of their own where the message also went elsewhere.
"""

import secrets
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from edge.model.capture import Facts
from edge.model.tokens import make_message_id
from edge.rewriting import mime
from edge.rewriting.headers import phrase
from edge.sending import events
from edge.sending.message import Addressee, Options
from edge.sending.reading import Read, by_recipient
from edge.store.deliveries import NewDelivery
from edge.store.events import Batch
from edge.store.lists import Expansion
from edge.store.messages import Stored, new_key
from edge.store.suppressions import Block

Lists = Mapping[tuple[int, str], Expansion]


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes one row of messages: the same bytes for these recipients."""

    read: Read
    source: bytes
    message_id: str
    recipients: tuple[Addressee, ...]
    options: Options

    @property
    def domain(self) -> int:
        """The sending domain's number."""
        return self.read.message.domain.number

    def with_tags(self, admitted: set[tuple[int, str]]) -> "Piece":
        """The piece without the tags that its domain has no room for."""
        tags = tuple(tag for tag in self.options.tags if (self.domain, tag) in admitted)
        if tags == self.options.tags:
            return self
        options = msgspec.structs.replace(self.options, tags=tags)
        return msgspec.structs.replace(self, options=options)


def pieces_of(read: Read, lists: Lists) -> list[Piece]:
    """The pieces of a message; never empty, though one may have no recipients (an empty list)."""
    number = read.message.domain.number
    plain: list[Addressee] = []
    expanded: list[Expansion] = []
    for one in read.recipients:
        found = lists.get((number, one.address.lower()))
        if found is None:
            plain.append(one)
        else:
            expanded.append(found)
    pieces = []
    if plain or not expanded:
        pieces.append(
            Piece(
                read=read,
                source=read.source,
                message_id=read.message_id,
                recipients=tuple(plain),
                options=read.options,
            )
        )
    for each in expanded:
        pieces.append(_of_list(read, each, keeps_id=not pieces))
    return pieces


def _of_list(read: Read, found: Expansion, *, keeps_id: bool) -> Piece:
    """The piece for a list's members: personal, with the list's own headers before the message."""
    domain = read.message.domain.name
    message_id = read.message_id
    source = _list_headers(found) + read.source
    if not keeps_id:
        message_id = make_message_id(domain, read.at, secrets.token_bytes(8))
        source = _with_message_id(source, message_id)
    options = msgspec.structs.replace(read.options, personal=True, mailing_list=found.address)
    members = tuple(Addressee(address, name, own) for address, name, own in found.members)
    return Piece(
        read=read, source=source, message_id=message_id, recipients=members, options=options
    )


def _list_headers(found: Expansion) -> bytes:
    """RFC 2919 for the list's id; ``Precedence`` keeps automatic answers away (RFC 3834, 2)."""
    name = phrase(found.name, b"\r\n") + b" " if found.name else b""
    identity = found.address.replace("@", ".").encode()
    return b"List-Id: " + name + b"<" + identity + b">\r\nPrecedence: list\r\n"


def _with_message_id(source: bytes, message_id: str) -> bytes:
    """The message under another Message-Id."""
    for header in mime.split(source).headers:
        if header.name == "message-id":
            line_end = mime.line_end(source)
            value = b" <" + message_id.encode() + b">" + line_end
            return source[: header.value] + value + source[header.end :]
    raise AssertionError("a message that was read has a Message-Id")


class Entry(msgspec.Struct):
    """What one transaction stores of messages."""

    messages: list[Stored] = []
    deliveries: list[NewDelivery] = []
    batch: Batch = msgspec.field(default_factory=Batch)


def entry_of(
    pieces: Sequence[Piece],
    blocks: Sequence[Block | None],
    numbers: Sequence[int],
    public_url: str,
) -> Entry:
    """Rows and events of pieces; ``blocks`` has one place for each recipient of each piece.

    ``numbers`` are fresh ones, enough for every piece and every recipient.
    """
    entry, fresh, block_of = Entry(), iter(numbers), iter(blocks)
    for piece in pieces:
        _enter(entry, piece, fresh, block_of, public_url)
    return entry


def _enter(
    entry: Entry,
    piece: Piece,
    fresh: Iterator[int],
    block_of: Iterator[Block | None],
    public_url: str,
) -> None:
    read, options = piece.read, piece.options
    domain, origin = read.message.domain, read.message.origin
    number, key = next(fresh), new_key()
    told = events.Told(
        domain=domain.number,
        message_id=piece.message_id,
        sender=read.message.sender,
        key=key,
        url=f"{public_url}/v3/domains/{domain.name}/messages/{key}",
        test_mode=options.test_mode,
        authenticated=origin.authenticated,
    )
    entry.messages.append(_stored(piece, number, key))
    entry.batch.facts.append(_facts(piece))
    for one in piece.recipients:
        block = next(block_of)
        entry.batch.events.append(events.accepted(told, origin, one.address, read.at, read.due))
        if block is not None:
            entry.batch.events.append(events.suppressed(told, one.address, read.at + 1, block))
        elif not options.test_mode:
            entry.deliveries.append(_delivery(piece, one, next(fresh), number))


def _stored(piece: Piece, number: int, key: str) -> Stored:
    message = piece.read.message
    return Stored(
        number=number,
        domain=piece.domain,
        key=key,
        message_id=piece.message_id,
        accepted_at=piece.read.at,
        sender=message.sender,
        source=piece.source,
        options=msgspec.json.encode(piece.options).decode(),
    )


def _facts(piece: Piece) -> Facts:
    read, options = piece.read, piece.options
    about = read.about
    if not options.personal and len(piece.recipients) > 1:
        about = about | {"recipients": [one.address for one in piece.recipients]}
    return Facts(
        at=read.at,
        domain=piece.domain,
        message_id=piece.message_id,
        tags=list(options.tags),
        user_variables=options.variables,
        headers=read.headers,
        mailing_list=options.mailing_list,
        by_recipient=by_recipient(options, piece.recipients),
        about=about,
    )


def _delivery(piece: Piece, one: Addressee, number: int, message: int) -> NewDelivery:
    read = piece.read
    variables = None
    if piece.options.personal and one.variables:
        variables = msgspec.json.encode(one.variables).decode()
    return NewDelivery(
        id=number,
        message=message,
        domain=piece.domain,
        recipient=one.address,
        name=one.name,
        variables=variables,
        accepted_at=read.at,
        due=read.due,
        expires_at=read.expires_at,
    )
