"""Minting links for messages that this installation did not send: what ``edge link`` does.

Keys and domains come from the roster snapshot on disk, so links are minted with Postgres dead.
Tags and list of a message are written to the spool before its URL is given out.
"""

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from edge.model.capture import Facts
from edge.model.destination import normalise
from edge.model.domain import Domain, Footers, host_name, tracking_url
from edge.model.errors import CallerError, NotFound
from edge.model.roster import Snapshot
from edge.model.tokens import (
    FORMAT_VERSION,
    ClickTarget,
    Keyring,
    Kind,
    Level,
    OpenTarget,
    Target,
    UnsubscribeTarget,
    check_recipient,
    kind_of,
    pack_message_id,
    unpack_message_id,
)
from edge.settings import Settings
from edge.store.facts import MAX_TAG, MAX_TAGS, clean_tags

Refresh = Callable[[], tuple[Snapshot, Keyring]]

_REMEMBERED: Final = 100_000
"""Facts remembered so that each message's are written once; forgotten together beyond it."""


class Link(msgspec.Struct, kw_only=True):
    """What a link is for, as given; ``tags`` are the message's."""

    kind: Kind
    domain: str
    recipient: str
    message_id: str
    url: str | None = None
    position: int = 0
    tags: tuple[str, ...] = ()
    mailing_list: str = ""


def link_of(kind: Kind, line: bytes | str) -> Link:
    """A link from one JSON object; raises CallerError that says what is wrong with it."""
    try:
        given = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise CallerError(f"not JSON: {error}") from None
    if not isinstance(given, dict):
        raise CallerError("not a JSON object")
    tags = given.pop("tag", None) or given.pop("tags", None) or ()
    values: dict[str, Any] = {
        "domain": given.pop("domain", None),
        "recipient": given.pop("recipient", None),
        "message_id": given.pop("message-id", None) or given.pop("message_id", None),
    }
    for name, value in values.items():
        if not isinstance(value, str) or not value:
            raise CallerError(f"{name.replace('_', '-')} is missing or not a text")
    values |= {
        "url": given.pop("url", None),
        "position": given.pop("position", 0),
        "tags": (tags,) if isinstance(tags, str) else tags,
        "mailing_list": given.pop("list", None) or "",
    }
    given.pop("message_id", None)
    if given:
        raise CallerError(f"{', '.join(sorted(map(str, given)))}: no such field")
    try:
        return msgspec.convert({"kind": kind, **values}, Link)
    except msgspec.ValidationError as error:
        raise CallerError(str(error)) from None


class Mint:
    """Makes URLs; collects the facts that must be stored before they are given out."""

    def __init__(
        self, settings: Settings, snapshot: Snapshot, keyring: Keyring, refresh: Refresh
    ) -> None:
        self._settings = settings
        self._refresh: Refresh | None = refresh
        self._written: set[tuple[int, str, tuple[str, ...], str]] = set()
        self.facts: list[Facts] = []
        self._take(snapshot, keyring)

    def _take(self, snapshot: Snapshot, keyring: Keyring) -> None:
        self._keyring = keyring
        self._snapshot = snapshot
        self._domains = {domain.name: domain for domain in snapshot.domains}

    def domain(self, text: str) -> Domain:
        """The domain of this name; raises CallerError where no link may be minted for it."""
        domain = self._domains.get(text)
        if domain is None:
            name = host_name(text)
            domain = self._domains.get(name)
            if domain is None and self._refresh is not None:
                # A domain added a moment ago is in the database, but not yet in the snapshot.
                refresh, self._refresh = self._refresh, None
                self._take(*refresh())
                domain = self._domains.get(name)
        if domain is None:
            raise NotFound(f"there is no domain {text}; add it: edge domain add {text}")
        if domain.removed:
            raise CallerError(f"domain {text} is removed: no new links are minted for it")
        return domain

    def hosts(self, domain: Domain) -> tuple[str, ...]:
        """Every tracking host name that is or was this domain's."""
        hosts = self._snapshot.hosts.items()
        return tuple(host for host, number in hosts if number == domain.number)

    def footers(self, domain: Domain) -> Footers:
        """What is put under this domain's messages."""
        return self._snapshot.footers_of(domain)

    def seal(self, domain: Domain, kind: Kind, target: Target) -> str:
        """The tracking URL of a target of this domain."""
        settings = self._settings
        token = self._keyring.seal(target)
        return tracking_url(domain, token, kind.value, settings.http_port, settings.https_port)

    def url(self, link: Link, now_us: int) -> str:
        """The tracking URL; raises CallerError for what cannot be sealed."""
        domain = self.domain(link.domain)
        packed = pack_message_id(link.message_id, domain.name)
        tags = message_tags(link.tags)
        target = _target(link, domain, packed, tags)
        if link.kind is not Kind.UNSUBSCRIBE and (tags or link.mailing_list):
            bare = unpack_message_id(packed, domain.name)
            key = (domain.number, bare, tags, link.mailing_list)
            if key not in self._written:
                if len(self._written) >= _REMEMBERED:
                    self._written.clear()
                self._written.add(key)
                self.facts.append(
                    Facts(now_us, domain.number, bare, list(tags), {}, {}, link.mailing_list)
                )
        return self.seal(domain, kind_of(target), target)


def message_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Tags in their stored spelling; raises CallerError for too many or for one that is none."""
    given = tuple(tags)
    kept = tuple(clean_tags(given))
    if len(kept) < len({tag.strip().lower() for tag in given}):
        raise CallerError(
            f"tags {list(given)!r}: at most {MAX_TAGS}, each 1 to {MAX_TAG} printable ASCII "
            "characters"
        )
    return kept


def _target(link: Link, domain: Domain, packed: bytes | str, tags: tuple[str, ...]) -> Target:
    recipient = check_recipient(link.recipient)
    if link.kind is Kind.OPEN:
        return OpenTarget(FORMAT_VERSION, domain.number, packed, recipient)
    if link.kind is Kind.CLICK:
        if not link.url:
            raise CallerError("a click needs a url: where the link leads")
        if not 0 <= link.position < 100_000:
            raise CallerError(f"position {link.position} is not that of a link: 0 is the first")
        url = normalise(link.url)
        return ClickTarget(FORMAT_VERSION, domain.number, packed, recipient, link.position, url)
    level, names = Level.DOMAIN, []
    if link.mailing_list and tags:
        raise CallerError("an unsubscribe is from tags or from a list, not from both")
    if tags:
        level, names = Level.TAG, list(tags)
    elif link.mailing_list:
        level, names = Level.LIST, [check_recipient(link.mailing_list)]
    return UnsubscribeTarget(FORMAT_VERSION, domain.number, packed, recipient, level, names)
