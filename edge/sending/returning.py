"""Mail that came back is matched to a delivery, written down, and acted upon: in one transaction.

What may act must prove that it knows a message of ours. The proof is an authenticated address: of
the envelope, or within the report (the returned message carries its return path and its unsubscribe
address). Nobody but the recipient and the servers on the way ever saw it, so a stranger can
suppress nobody. Whoever may hand in reports by hand (command line, API key, import) is believed
without one: there a message id and its recipient do, or a recipient and the time.

Whatever comes back is accounted for: acted upon, already known, of no consequence (an auto-reply, a
notice of delay), or kept unread with the reason.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec

from edge.clock import Clock
from edge.model.event import Event, SuppressionChange, UnsubscribeChange
from edge.model.tokens import Level
from edge.observe import metrics
from edge.returns.reading import read
from edge.returns.reasons import Reason
from edge.returns.report import Kind, Recipient, Report
from edge.sending import events as told
from edge.sending.message import Options
from edge.sending.path_keys import PathKeys
from edge.sending.return_path import Purpose
from edge.sending.returned_mail import Mail, Matched, Outcome, Result
from edge.store import events, returns
from edge.store.pool import Connection
from edge.store.returns import Claim, Sent, Unparsed

DAY_US: Final = 86_400_000_000
MATCH_DAYS: Final = 5
"""Days before a report in which a delivery to its recipient may have been the cause (RFC 5321
§ 4.5.4.1: four to five days in a queue)."""

RUN_DAYS: Final = 30
RUN_ON_DAYS: Final = 3
"""A run of soft failures lies within the first, on at least the second number of days."""

COUNTING: Final = frozenset(
    {
        Reason.MAILBOX_FULL,
        Reason.SUSPENDED,
        Reason.EXPIRED,
        Reason.NETWORK,
        Reason.SYSTEM,
        Reason.SYSTEM_FULL,
        Reason.MAILER,
        Reason.UNDEFINED,
    }
)
"""Soft reasons that say something of the mailbox; those of spam, rates or policy do not."""

_NO_CONSEQUENCE: Final = frozenset(
    {
        Kind.DELAYED,
        Kind.DELIVERED,
        Kind.RELAYED,
        Kind.EXPANDED,
        Kind.AUTO_REPLY,
        Kind.CHALLENGE,
        Kind.READ_RECEIPT,
        Kind.NOT_SPAM,
        Kind.AUTH_REPORT,
    }
)
LARGE: Final = 128 * 1024
"""Octets from which a mail is read in a thread, so that others need not wait for it."""

MOST_MATCHED: Final = 100
"""Deliveries of one report that are acted upon."""


class Returns:
    """Takes mail that came back. ``keys`` are those of return paths, ``soft_run`` is the length of
    a run of soft failures that suppresses (0: never)."""

    def __init__(self, clock: Clock, keys: PathKeys, *, public_url: str, soft_run: int) -> None:
        self._clock = clock
        self._keys = keys
        self._public_url = public_url
        self._soft_run = soft_run

    async def take(self, conn: Connection, mail: Mail) -> Result:
        """Read a mail and act upon it, all in one transaction of ``conn``.

        Raises what Postgres raises (:data:`edge.store.pool.UNAVAILABLE`): nothing was done then.
        """
        if len(mail.raw) > LARGE:
            report = await asyncio.to_thread(read, mail.raw)
        else:
            report = read(mail.raw)
        await self._keys.refresh(conn)
        async with conn.transaction():
            result = await self._taken(conn, mail, report)
        metrics.RETURNS.labels(result.outcome.value, report.kind.value).inc()
        return result

    async def _taken(self, conn: Connection, mail: Mail, report: Report) -> Result:
        unsubscribing = self._of(mail.to, Purpose.UNSUBSCRIBE)
        if unsubscribing and report.kind in {Kind.OTHER, Kind.UNSUBSCRIBE}:
            return await self._unsubscribed(conn, mail, report, unsubscribing)
        if report.kind in _NO_CONSEQUENCE or (unsubscribing and report.kind is not Kind.COMPLAINT):
            return Result(outcome=Outcome.NOTED, report=report)
        if report.kind is Kind.OTHER:
            return await self._kept(conn, mail, report, report.why or "not a report")
        found = await self._matched(conn, mail, report)
        if not found:
            return await self._kept(conn, mail, report, await self._unmatched(mail, report))
        done = [await self._act(conn, mail, report, *one) for one in found[:MOST_MATCHED]]
        fresh = any(one.fresh for one in done)
        outcome = Outcome.RECORDED if fresh else Outcome.DUPLICATE
        return Result(outcome=outcome, report=report, matched=tuple(done))

    # --- whom it is about -----------------------------------------------------------------------

    def _of(self, addresses: Sequence[str], *purposes: Purpose) -> list[int]:
        """Delivery ids of the authentic ones among these addresses, each once."""
        paths = self._keys.paths
        if paths is None:
            return []
        found = {
            paths.delivery(purpose, address.rpartition("@")[0])
            for address in addresses
            for purpose in purposes
        }
        return sorted(one for one in found if one is not None)

    async def _matched(
        self, conn: Connection, mail: Mail, report: Report
    ) -> list[tuple[Sent, Recipient | None, str]]:
        """Deliveries with what is said of each: by return path, message id, recipient and time."""
        for addresses, by in ((mail.to, "return-path"), (report.paths, "returned-path")):
            ids = self._of(addresses, Purpose.BOUNCE, *_also(by))
            sent = await returns.by_deliveries(conn, ids, mail.domain) if ids else []
            if sent:
                return [(one, _said_of(one, report), by) for one in sent]
        if not mail.trusted:
            return []
        message_id = report.returned.message_id
        found: list[tuple[Sent, Recipient | None, str]] = []
        for recipient in report.recipients[:MOST_MATCHED]:
            sent_one = None
            for address in dict.fromkeys((recipient.recipient, recipient.final)):
                if message_id and address and sent_one is None:
                    sent_one = await returns.by_message(conn, message_id, address, mail.domain)
            if sent_one is not None:
                found.append((sent_one, recipient, "message-id"))
        if found:
            return found
        if message_id and (only := await returns.only_of_message(conn, message_id, mail.domain)):
            return [(only, _said_of(only, report), "message-id")]
        return await self._by_time(conn, mail, report)

    async def _by_time(
        self, conn: Connection, mail: Mail, report: Report
    ) -> list[tuple[Sent, Recipient | None, str]]:
        """By recipient and time, where only one domain wrote to it then."""
        now = self._now(mail)
        found: list[tuple[Sent, Recipient | None, str]] = []
        for recipient in report.recipients[:MOST_MATCHED]:
            near = await returns.by_recipient(
                conn,
                recipient.recipient,
                since=now - MATCH_DAYS * DAY_US,
                until=now,
                domain=mail.domain,
            )
            if len(near) == 1:
                found.append((near[0], recipient, "recipient-and-time"))
        return found

    async def _unmatched(self, mail: Mail, report: Report) -> str:
        if not report.recipients and not report.paths:
            return "it names no recipient that failed"
        if mail.trusted:
            return "no message of ours to this recipient is known"
        return "no authentic return path is in it: forged, too old, or of a key that was revoked"

    def _now(self, mail: Mail) -> int:
        now = self._clock.now_us()
        return now if mail.at is None else min(mail.at, now)

    # --- what is done ---------------------------------------------------------------------------

    async def _act(
        self,
        conn: Connection,
        mail: Mail,
        report: Report,
        sent: Sent,
        said: Recipient | None,
        by: str,
    ) -> Matched:
        """Event, suppression and row of one delivery, unless they are there already."""
        at = self._now(mail)
        complaint = report.kind is Kind.COMPLAINT
        opting_out = report.kind is Kind.UNSUBSCRIBE
        hard = not complaint and not opting_out and said is not None and said.hard
        name = "complained" if complaint else "unsubscribed" if opting_out else "failed"
        reason = said.reason if said is not None else Reason.UNDEFINED
        event = self._event(name, sent, said, at, hard=hard)
        what = f"{name}/{'hard' if hard else 'soft'}" if name == "failed" else name
        fresh = await returns.claim(
            conn,
            Claim(
                key=_key(sent, what),
                domain=sent.domain,
                recipient=sent.recipient,
                kind=what,
                reason=reason.value,
                counts=name == "failed" and not hard and reason in COUNTING,
                at=at,
                event_id=event.id,
            ),
        )
        suppressed = False
        if fresh:
            batch = events.Batch(events=[event])
            if opting_out:
                batch.unsubscribes.append(_unsubscribe(sent, event))
            elif complaint or hard or await self._is_run(conn, sent, reason, at):
                suppressed = True
                kind = "complaint" if complaint else "bounce"
                batch.suppressions.append(_suppression(sent, said, event, kind))
            prepared = events.prepare(batch, now_us=self._clock.now_us())
            await events.add(conn, prepared)
        return Matched(
            domain=sent.domain_name,
            recipient=sent.recipient,
            message_id=sent.message_id,
            by=by,
            fresh=fresh,
            event_id=event.id.hex() if fresh else "",
            suppressed=suppressed,
        )

    async def _is_run(self, conn: Connection, sent: Sent, reason: Reason, at: int) -> bool:
        """Whether soft failures of this address have become a run (docs/returns.md)."""
        if not self._soft_run or reason not in COUNTING:
            return False
        since = at - RUN_DAYS * DAY_US
        failures, days = await returns.run(conn, sent.domain, sent.recipient, since)
        return failures >= self._soft_run and days >= min(RUN_ON_DAYS, self._soft_run)

    def _event(
        self, name: str, sent: Sent, said: Recipient | None, at: int, *, hard: bool
    ) -> Event:
        about = told.Told(
            domain=sent.domain,
            message_id=sent.message_id,
            sender=sent.sender,
            key=sent.key,
            url=f"{self._public_url}/v3/domains/{sent.domain_name}/messages/{sent.key}",
            test_mode=False,
            authenticated=True,
        )
        if name == "complained":
            return told.complained(about, sent.recipient, at)
        if name == "unsubscribed":
            return told.unsubscribed(about, sent.recipient, at)
        return told.returned(about, sent.recipient, at, _spoken(said), hard=hard)

    async def _unsubscribed(
        self, conn: Connection, mail: Mail, report: Report, ids: list[int]
    ) -> Result:
        """Mail to ``%unsubscribe_email%`` (RFC 2369): its address says who, and from what."""
        sent = await returns.by_deliveries(conn, ids, mail.domain)
        if not sent:
            return await self._kept(conn, mail, report, "the delivery of this address is too old")
        asked = msgspec.structs.replace(report, kind=Kind.UNSUBSCRIBE, why="")
        done = [await self._act(conn, mail, asked, one, None, "return-path") for one in sent]
        fresh = any(one.fresh for one in done)
        outcome = Outcome.RECORDED if fresh else Outcome.DUPLICATE
        return Result(outcome=outcome, report=asked, matched=tuple(done))

    async def _kept(self, conn: Connection, mail: Mail, report: Report, why: str) -> Result:
        """Kept unread; the same bytes are kept once."""
        number = await returns.keep(
            conn,
            Unparsed(
                digest=hashlib.sha256(mail.raw).digest(),
                last_at=self._clock.now_us(),
                domain=mail.domain,
                way=mail.way,
                why=why,
                kind=report.kind.value,
                sender=_storable(report.sender),
                subject=_storable(report.subject),
                envelope=_storable(" ".join(mail.to))[:1_000],
                octets=len(mail.raw),
                source=mail.raw,
            ),
        )
        outcome = Outcome.UNPARSED if number is not None else Outcome.FULL
        return Result(outcome=outcome, report=report, why=why, number=number)


def _also(by: str) -> tuple[Purpose, ...]:
    """Within a report the unsubscribe address of the returned message is as good a proof."""
    return (Purpose.UNSUBSCRIBE,) if by == "returned-path" else ()


def _said_of(sent: Sent, report: Report) -> Recipient | None:
    """What a report says of one delivery: of its recipient, else of whoever it was forwarded to.

    Of several others the harmless verdict counts: a soft one, if there is any.
    """
    address = sent.recipient.lower()
    for one in report.recipients:
        if address in {one.recipient.lower(), one.final.lower()}:
            return one
    return min(report.recipients, key=lambda one: one.hard, default=None)


def _spoken(said: Recipient | None) -> told.Spoken:
    if said is None:
        return told.Spoken(Reason.UNDEFINED, 0, "", "", "no-recipient", "")
    return told.Spoken(
        said.reason,
        said.code,
        said.status,
        _storable(said.reply),
        said.evidence.rule,
        _storable(said.evidence.matched),
    )


def _suppression(sent: Sent, said: Recipient | None, event: Event, kind: str) -> SuppressionChange:
    bounced = kind == "bounce"
    code = str(said.code or 550) if said is not None else "550"
    return SuppressionChange(
        domain=sent.domain,
        recipient=sent.recipient,
        kind=kind,
        at=event.at,
        active=True,
        code=code if bounced else "",
        error=_storable(said.reply)[:1_000] if bounced and said is not None else "",
        event_id=event.id,
        message_id=sent.message_id,
    )


def _unsubscribe(sent: Sent, event: Event) -> UnsubscribeChange:
    mailing_list = msgspec.json.decode(sent.options, type=Options).mailing_list
    return UnsubscribeChange(
        domain=sent.domain,
        recipient=sent.recipient,
        level=Level.LIST if mailing_list else Level.DOMAIN,
        names=(mailing_list,) if mailing_list else (),
        at=event.at,
        active=True,
        event_id=event.id,
        message_id=sent.message_id,
    )


def _key(sent: Sent, what: str) -> bytes:
    """What makes two reports one: the delivery, and what is said of it."""
    whose = f"{sent.delivery}" if sent.delivery else f"{sent.message_id}\0{sent.recipient.lower()}"
    return hashlib.sha256(f"{sent.domain}\0{whose}\0{what}".encode("utf-8", "replace")).digest()[
        :16
    ]


def _storable(text: str) -> str:
    """Text that Postgres takes: no NUL, no half surrogates."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
