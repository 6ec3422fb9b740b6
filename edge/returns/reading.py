"""Bytes of a returned mail to a report: the one way in. Total, bounded, and without any effect."""

import re
from typing import Final

import msgspec

from edge.returns import (
    automatic,
    delivery_status,
    feedback,
    formats,
    mime,
    notices,
    older,
    returned,
)
from edge.returns.deciding import by_words
from edge.returns.judging import Said, judged
from edge.returns.mime import Headers, Part
from edge.returns.reasons import Reason
from edge.returns.report import Kind, Recipient, Report, Returned
from edge.returns.texts import addresses, first_address, reply_in, without_tags

RFC3464: Final = "RFC 3464"

_REPLIED = re.compile(r"^\s*(?:re|aw|sv|antw|fwd?|wg|rv|tr|回复|转发)\s?[:：]", re.I)
_ORDER: Final = ("failed", "delayed", "delivered", "relayed", "expanded")


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """A mail taken apart once."""

    raw: bytes
    headers: Headers
    parts: list[Part]
    text: str
    notice: str
    head: Headers | None
    known: Returned


def read(raw: bytes) -> Report:
    """The verdict on any bytes; never raises, and does nothing.

    At most :data:`edge.returns.mime.MOST_OCTETS` of them are looked at.
    """
    mail = _taken_apart(raw)
    if not mail.raw.strip():
        return _finished(mail, Report(kind=Kind.OTHER, format="empty", source="", why="empty"))
    report = (
        _complaint(mail)
        or _status(mail)
        or _automatic(mail)
        or _notice(mail)
        or _older(mail)
        or Report(kind=Kind.OTHER, format="none", source="", why=_why(mail))
    )
    return _finished(mail, report)


def compile_rules() -> None:
    """Compile all wordings and signs now (0.3 s) rather than at the first mail or reply."""
    by_words("nothing")
    formats.recognised("nothing")


def _taken_apart(raw: bytes) -> Mail:
    data = mime.lines_of(raw).lstrip(b"\n")
    if data.startswith((b"From ", b">From ")):  # the line that mbox puts before a mail
        data = data.partition(b"\n")[2]
    headers, body = mime.split(data)
    parts = mime.leaves(headers, body)
    text = _text(parts)
    notice, rest = returned.cut(text)
    head = None
    for part in parts:
        if returned.is_returned(part):
            head = returned.head_of(part)
            break
    if head is None and rest:
        head = returned.of_text(rest)
    known = Returned() if head is None else returned.known_of(head)
    if not known.message_id:
        own = returned.message_id(headers.get("message-id"))
        loose = returned.loose_message_id(data[:262_144], own)
        known = msgspec.structs.replace(known, message_id=loose)
    return Mail(
        raw=data, headers=headers, parts=parts, text=text, notice=notice, head=head, known=known
    )


def _text(parts: list[Part]) -> str:
    """The human part: all plain text before what is returned; HTML where there is no plain text."""
    plain, html = [], []
    for part in parts:
        if returned.is_returned(part):
            break
        if part.type == "text/plain":
            plain.append(part.text)
        elif part.type == "text/html":
            html.append(part.text)
        elif part.type.startswith("multipart/"):
            plain.append(part.text)
    text = "\n".join(plain)
    if len(text.strip()) < 20 and html:
        text = without_tags("\n".join(html))
    return text[: notices.MOST_TEXT * 2]


def _finished(mail: Mail, report: Report) -> Report:
    return msgspec.structs.replace(
        report,
        returned=mail.known,
        paths=returned.paths_in(mail.raw),
        subject=mail.headers.get("subject")[:300],
        sender=first_address(mail.headers.get("from")),
        message_id=returned.message_id(mail.headers.get("message-id")),
    )


def _complaint(mail: Mail) -> Report | None:
    for part in mail.parts:
        if part.type == feedback.TYPE:
            head = feedback.fields(part)
            kind = feedback.feedback_type(head)
            return _complained(mail, head, kind, "arf", feedback.SOURCE)
    if "feedback-report" in mail.headers.get("content-type").lower() and mail.text:
        head = Headers(mime.fields_of(mail.text.encode("utf-8", "replace")))
        if head.has("feedback-type"):
            kind = feedback.feedback_type(head)
            return _complained(mail, head, kind, "arf-broken", feedback.SOURCE)
    if feedback.is_old_style(mail.headers, mail.head):
        source = "Outlook.com Junk Email Reporting Programme (JMRP), format before 2020"
        return _complained(mail, None, "abuse", "jmrp", source)
    return None


def _complained(mail: Mail, head: Headers | None, kind: str, name: str, source: str) -> Report:
    found = feedback.recipients(head, mail.head)
    return Report(
        kind=feedback.KINDS.get(kind, Kind.COMPLAINT),
        format=name,
        source=source,
        recipients=tuple(feedback.verdict(one, kind) for one in found),
        reporting_mta=head.get("reporting-mta") if head is not None else "",
        feedback_type=kind,
    )


def _status(mail: Mail) -> Report | None:
    """RFC 3464. A group without an address is that of whom the text or the returned mail names."""
    statuses = [delivery_status.read(p) for p in mail.parts if p.type in delivery_status.TYPES]
    if not statuses and delivery_status.found_in(mail.headers):
        for part in mail.parts:  # the type of a part was lost on the way
            if b"final-recipient:" in part.body[:65_536].lower():
                statuses.append(delivery_status.read(part))
                break
    groups = [group for status in statuses for group in status.groups]
    if not groups:
        return None
    action = next((one for one in _ORDER if any(g.action == one for g in groups)), "failed")
    chosen = [group for group in groups if group.action == action]
    found: dict[str, Recipient] = {}
    told = notices.recipients(_as_notice(mail)) if _is_vague(chosen) else []
    for group in chosen:
        for said in _completed(mail, group, told):
            found.setdefault(said.recipient.lower(), judged(said))
    kinds = {"failed": Kind.BOUNCE}
    known = formats.recognised(mail.notice[:8_000])
    name = f"dsn-{known.name}" if known is not None and known.name != "other" else "dsn"
    return Report(
        kind=kinds.get(action) or Kind(action),
        format=name,
        source=RFC3464,
        recipients=tuple(found.values()),
        reporting_mta=statuses[0].reporting_mta,
    )


def _is_vague(groups: list[Said]) -> bool:
    return any(not group.recipient or not group.diagnostic for group in groups)


def _completed(mail: Mail, group: Said, told: list[Said]) -> list[Said]:
    """A group with the text beside its address, and with an address if it had none."""
    context = mail.notice[: notices.LONGEST_CONTEXT * 2]
    if group.recipient:
        for said in told:
            if said.recipient.lower() in {group.recipient.lower(), group.final.lower()}:
                context = said.context
        return [msgspec.structs.replace(group, context=context)]
    if told:
        return [
            msgspec.structs.replace(group, recipient=said.recipient, context=said.context)
            for said in told
        ]
    if len(mail.known.recipients) == 1:
        address = mail.known.recipients[0]
        return [msgspec.structs.replace(group, recipient=address, context=context)]
    return []


def _as_notice(mail: Mail) -> notices.Notice:
    ours = {
        one.lower()
        for name in ("to", "from", "delivered-to", "reply-to", "sender")
        for one in addresses(mail.headers.get(name)[:4_000])
    }
    if mail.known.sender:
        ours.add(mail.known.sender.lower())
    header = [
        one
        for name in ("x-failed-recipients", "x-failed-recipient")
        for value in mail.headers.all(name)
        for one in addresses(value[:16_000])
    ]
    return notices.Notice(
        text=mail.notice,
        header=tuple(dict.fromkeys(header)),
        ours=frozenset(ours - {one.lower() for one in mail.known.recipients}),
        sent_to=mail.known.recipients,
    )


def _automatic(mail: Mail) -> Report | None:
    content = mail.headers.get("content-type")
    kind = mime.parameters(content).get("report-type", "").lower()
    daemon = automatic.from_daemon(mail.headers)
    found = automatic.kind_of(mail.headers, daemon=daemon, report=kind)
    if found is None or (daemon and _looks_returned(mail)):
        return None
    return Report(kind=found[0], format="automatic", source=automatic.SOURCE, why=found[1])


def _signs(mail: Mail) -> int:
    """How much the header looks like that of a bounce."""
    subject = mail.headers.get("subject")
    count = int(automatic.from_daemon(mail.headers))
    count += bool(formats.SUBJECT.search(subject))
    count += 2 * mail.headers.has("x-failed-recipients")
    count += mail.headers.get("content-type").lower().startswith("multipart/report")
    return count


def _looks_returned(mail: Mail) -> bool:
    subject = mail.headers.get("subject")
    return bool(formats.SUBJECT.search(subject)) or mail.headers.has("x-failed-recipients")


def _notice(mail: Mail) -> Report | None:
    """A bounce for people; sure enough of it only by several signs together."""
    signs = _signs(mail)
    replied = bool(_REPLIED.search(mail.headers.get("subject")))
    if not signs or (replied and not automatic.from_daemon(mail.headers)):
        return None
    known = formats.recognised(mail.notice[: notices.MOST_TEXT])
    if known is None and signs >= 2 and _quotes_a_server(mail.notice):
        known = formats.UNKNOWN
    if known is None or (known.name == "other" and signs < 2 and mail.head is None):
        return None
    delayed = _is_delayed(mail)
    action = "delayed" if delayed else "failed"
    found: dict[str, Recipient] = {}
    for said in notices.recipients(_as_notice(mail)):
        verdict = judged(msgspec.structs.replace(said, action=action))
        found.setdefault(verdict.recipient.lower(), verdict)
    kept = list(found.values())
    told = any(one.reason is not Reason.UNDEFINED for one in kept)
    if told and known.name in {"other", "unknown", "languages"}:  # whatever else is named there
        kept = [one for one in kept if one.reason is not Reason.UNDEFINED]
    if not told and (signs < 2 or (known.name == "other" and mail.head is None and signs < 3)):
        return None
    if not kept and not (signs >= 2 and known.name != "other"):
        return None
    return Report(
        kind=Kind.DELAYED if delayed else Kind.BOUNCE,
        format=known.name,
        source=known.source,
        recipients=tuple(kept),
    )


def _is_delayed(mail: Mail) -> bool:
    """Whether a notice says that nothing is given up yet."""
    if formats.DELAYED.search(mail.headers.get("subject")):
        return True
    told = mail.notice[:8_000]
    return bool(formats.DELAYED.search(told)) and not formats.FINAL.search(told)


def _quotes_a_server(notice: str) -> bool:
    """Whether a notice of no known format has a reply, or words that only a failure has."""
    return bool(reply_in(notice[:8_000])[1]) or by_words(notice, weak=False) is not None


def _older(mail: Mail) -> Report | None:
    """What flufl.bounce, Mailman's reader, still knows."""
    if _signs(mail) < 2:
        return None
    found = older.recipients(mail.raw)
    if not found:
        return None
    said = [Said(recipient=one, context=mail.notice) for one in found]
    return Report(
        kind=Kind.BOUNCE,
        format="flufl",
        source="flufl.bounce (GNU Mailman's detectors)",
        recipients=tuple(judged(one) for one in said),
    )


def _why(mail: Mail) -> str:
    if not _signs(mail):
        return "neither its author nor its subject is that of a report"
    return "looks like a report, but names no recipient that failed"
