"""The four suppression lists of a domain: looked at, searched, added to, removed from."""

from typing import Final
from urllib.parse import urlencode

from aiohttp import web

from edge.model.domain import Domain
from edge.model.errors import CallerError, OperatorError
from edge.model.params import Params
from edge.model.tokens import decode_base64url, encode_base64url
from edge.panel import domain_choice, forms, rendering
from edge.panel.context import PANEL, SUBJECT, Panel, may
from edge.panel.permissions import Permit
from edge.store import suppression_causes
from edge.store.suppressed import TABLES, Entry, Kind
from edge.store.suppression_entries import COLUMNS, from_form, value_of

LINES: Final = 50
TITLES: Final = {
    Kind.BOUNCES: "Bounces",
    Kind.UNSUBSCRIBES: "Unsubscribes",
    Kind.COMPLAINTS: "Complaints",
    Kind.WHITELISTS: "Allowlist",
}
EXPLAINED: Final = {
    Kind.BOUNCES: "Addresses whose server said that they do not exist or take no mail. Nothing is "
    "sent to them.",
    Kind.UNSUBSCRIBES: "People who want no more mail of this domain, or none of some tags. It is "
    "not sent to them.",
    Kind.COMPLAINTS: "People who reported a message as spam. Nothing is sent to them.",
    Kind.WHITELISTS: "Addresses and domains that are never put on the bounce list.",
}
DONE: Final = {
    "added": "It is on the list now.",
    "removed": "It is removed from the list.",
    "imported": "The file is imported.",
}
LONGEST_TERM: Final = 320
_SEALING: Final = "panel page of suppressions"


def seal(panel: Panel, value: str) -> str:
    """A place in a list, for an address: nobody reads a recipient in it."""
    return encode_base64url(panel.vault.seal(_SEALING, value.encode()))


def _opened(panel: Panel, given: Params, name: str) -> str | None:
    text = given.text(name, "", longest=2_000)
    if not text:
        return None
    try:
        raw = decode_base64url(text.encode("ascii", "replace"))
        return panel.vault.open(_SEALING, raw or b"").decode()
    except (OperatorError, ValueError):
        given.mistake(f"{name} is no place in this list: go back to the first page")
        return None


def term_of(request: web.Request, given: Params) -> str:
    """What entries are to begin with; a mistake for those from whom recipients are hidden."""
    term = given.text("term", "", longest=LONGEST_TERM).strip().lower()
    if term and not may(request, Permit.CLEAR):
        given.mistake("your role does not search by recipient: recipients are masked for it")
        return ""
    return term


def kind_of(given: Params) -> Kind:
    """The list that is meant."""
    return Kind(given.choice("kind", [kind.value for kind in Kind], Kind.BOUNCES.value))


async def page(
    request: web.Request,
    *,
    given: Params | None = None,
    error: str = "",
    status: int = 200,
    mistakes: tuple[str, ...] = (),
    name: str | None = None,
) -> web.Response:
    """The page of the list that the address (or a form, ``given``) names."""
    panel, query = request.app[PANEL], forms.query(request)
    kind = kind_of(given or query)
    term = term_of(request, query)
    after, before = _opened(panel, query, "after"), _opened(panel, query, "before")
    entries: list[Entry] = []
    causes: dict[str, suppression_causes.Cause] = {}
    counts = dict.fromkeys(Kind, 0)
    error = error or "; ".join(query.mistakes)
    async with panel.connection() as conn:
        domain, found = await domain_choice.chosen(request, conn, name)
        if domain is not None:
            counts = await suppression_causes.counts(conn, domain.number)
            entries = await TABLES[kind].page(
                conn,
                domain.number,
                term=term,
                pivot=before or after,
                backwards=before is not None,
                limit=LINES,
            )
            values = [one.value for one in entries]
            causes = await suppression_causes.of(conn, domain.number, kind, values)
    response = rendering.render(
        request,
        "suppressions.html",
        status=400 if error and status == 200 else status,
        error=error,
        mistakes=mistakes,
        done=DONE.get(request.query.get("done", ""), ""),
        domain=domain,
        domains=found,
        kind=kind.value,
        kinds=[(one.value, TITLES[one], counts[one]) for one in Kind],
        most_counted=suppression_causes.MOST_COUNTED,
        title=TITLES[kind],
        explained=EXPLAINED[kind],
        columns=COLUMNS[kind],
        term=term,
        entries=entries,
        causes=causes,
        **_links(panel, domain, kind, term, entries, started=bool(after or before)),
    )
    domain_choice.remember(request, response, domain)
    return response


def _links(
    panel: Panel,
    domain: Domain | None,
    kind: Kind,
    term: str,
    entries: list[Entry],
    *,
    started: bool,
) -> dict[str, str]:
    links = {"same": "", "earlier": "", "later": ""}
    if domain is None:
        return links
    told = {"domain": domain.name, "kind": kind.value} | ({"term": term} if term else {})
    links["same"] = urlencode(told)
    if entries and started:
        links["earlier"] = urlencode(told | {"before": seal(panel, entries[0].value)})
    if len(entries) == LINES:
        links["later"] = urlencode(told | {"after": seal(panel, entries[-1].value)})
    return links


async def show(request: web.Request) -> web.Response:
    """``GET /suppressions``."""
    return await page(request)


def back(domain: Domain, kind: Kind, done: str) -> web.HTTPSeeOther:
    """To the list that was changed."""
    told = {"domain": domain.name, "kind": kind.value, "done": done}
    return web.HTTPSeeOther(f"/suppressions?{urlencode(told)}")


async def add(request: web.Request) -> web.Response:
    """``POST /suppressions/add``: one entry, as the API takes it."""
    panel, given = request.app[PANEL], await forms.body(request)
    kind, name = kind_of(given), given.text("domain", "")
    request[SUBJECT] = f"{name}: {kind}: {given.text('address', '')}"
    try:
        if kind is Kind.WHITELISTS and "@" not in given.text("address", ""):
            given.fields.texts["domain"] = given.fields.texts.pop("address", [])
        else:
            given.fields.texts.pop("domain", None)
        given.fields.texts["tags"] = [
            tag for text in given.fields.texts.get("tags", []) for tag in text.split(",")
        ]
        entry = from_form(kind, given)
        async with panel.connection() as conn:
            domain = await domain_choice.named(conn, name)
            added = await TABLES[kind].put(
                conn, domain.number, [entry], now_us=panel.clock.now_us()
            )
        if not added:
            raise CallerError(f"{entry.value} is on the allowlist: it is not put on this list.")
    except CallerError as error:
        return await page(request, given=given, error=str(error), status=400, name=name)
    raise back(domain, kind, "added")


async def remove(request: web.Request) -> web.Response:
    """``POST /suppressions/remove``. In a form, so that no address is in a log of addresses."""
    panel, given = request.app[PANEL], await forms.body(request)
    kind, name = kind_of(given), given.text("domain", "")
    value = given.text("address", "", longest=1_000)
    request[SUBJECT] = f"{name}: {kind}: {value}"
    try:
        given.check()
        async with panel.connection() as conn:
            domain = await domain_choice.named(conn, name)
            gone = await TABLES[kind].remove(
                conn, domain.number, value_of(kind, value), now_us=panel.clock.now_us()
            )
        if not gone:
            raise CallerError(f"{value} is not on this list any more.")
    except CallerError as error:
        return await page(request, given=given, error=str(error), status=400, name=name)
    raise back(domain, kind, "removed")
