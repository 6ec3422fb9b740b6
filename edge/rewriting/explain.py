"""The report as text, for people."""

from collections.abc import Iterator

from edge.rewriting.report import Reason, Report

FAULTS = frozenset({Reason.UNSEALABLE, Reason.UNRESOLVED, Reason.UNDECODABLE, Reason.BROKEN_LINE})
"""Reasons why a link that was meant to be tracked is not."""
_SHOWN = 300


def flawed(report: Report) -> bool:
    """Whether something is amiss: an untouched message, or a link that should have been tracked."""
    return report.untouched is not None or any(link.reason in FAULTS for link in report.links)


def explain(report: Report) -> Iterator[str]:
    """Lines without line breaks, and without control characters that the message may hold."""
    tracked = sum(link.tracked for link in report.links)
    if report.untouched is not None:
        yield f"left untouched: {report.untouched.value}"
    pixel = f"pixel at the {report.pixel}" if report.pixel else "no pixel"
    yield (
        f"{len(report.links)} links, {tracked} tracked; {pixel}; {report.added:+,} octets "
        f"({report.size_before:,} -> {report.size_after:,})"
    )
    for link in report.links:
        state = "tracked" if link.reason is None else f"skipped: {link.reason.value}"
        detail = f" ({_printable(link.detail)})" if link.detail else ""
        where = f"part {link.part}, {link.where}"
        yield f"{link.position:5} {where:<14} {state}{detail}"
        yield f"      {_printable(link.before)}"
        if link.after is not None:
            yield f"      -> {_printable(link.after)}"
    for part in report.parts:
        if part.reason is not None:
            detail = f" ({_printable(part.detail)})" if part.detail else ""
            kind = _printable(part.content_type)
            yield f"part {part.part}, {kind}: left alone: {part.reason.value}{detail}"
    for warned in report.warnings:
        place = "" if warned.position is None else f" (link {warned.position})"
        yield f"warning: {warned.code.value}{place}: {_printable(warned.text)}"


def _printable(text: str) -> str:
    shown = "".join(c if c.isprintable() else "\ufffd" for c in text[:_SHOWN])
    return shown + ("…" if len(text) > _SHOWN else "")
