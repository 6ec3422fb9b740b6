"""Writes docs/return-rules.md: the rules of what comes back, and how our own set fares by format.

Run ``python -m tests.house.write_rules`` after changing a rule, a format or a fixture.
"""

from collections import Counter
from typing import Final

from edge.returns.formats import FORMATS
from edge.returns.reading import read
from edge.returns.reasons import HARD, MEANING
from edge.returns.statuses import CODE, STATUS, SUBJECT
from edge.returns.wording import RULES
from tests.house.sources import ROOT
from tests.unit.returns.fixtures import fixtures

PAGE: Final = ROOT / "docs" / "return-rules.md"

HEAD: Final = """# Rules of what comes back

Written by `python -m tests.house.write_rules`; a test keeps it current.
[What comes back](returns.md) says how they are used. The phrases themselves are in `edge/returns/`.

## Reasons

| reason | hard | means |
| --- | --- | --- |
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def page() -> str:
    """The whole page."""
    lines = [HEAD.rstrip("\n")]
    lines += [f"| {r} | {'yes' if r in HARD else ''} | {text} |" for r, text in MEANING.items()]
    lines += ["", "## Wordings", "", "The first that matches decides; the weak ones after an exact"]
    lines += ["status.", "", "| rule | reason | phrases | source |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {rule.name}{' (weak)' if rule.weak else ''} | {rule.reason} | {len(rule.phrases)} "
        f"| {_cell(rule.source)} |"
        for rule in RULES
    ]
    lines += ["", "## Codes", "", "RFC 3463 and its registry; RFC 5321, RFC 7504, RFC 4954.", ""]
    lines += ["| status or code | reason |", "| --- | --- |"]
    lines += [f"| X.{detail} | {reason} |" for detail, reason in STATUS.items()]
    lines += [f"| X.{subject}.* | {reason} |" for subject, reason in SUBJECT.items()]
    lines += [f"| {code} | {reason} |" for code, reason in CODE.items()]
    lines += ["", "## Formats of notices for people", "", "| format | source |", "| --- | --- |"]
    lines += [f"| {one.name} | {_cell(one.source)} |" for one in FORMATS]
    lines += ["", "## Our own set, by format", "", *_figures(), ""]
    return "\n".join(lines)


def _figures() -> list[str]:
    total: Counter[str] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    for mail in fixtures():
        found = read(mail.raw)
        total[found.format] += 1
        right[found.format, "kind"] += found.kind == mail.kind
        names = [one.recipient for one in found.recipients]
        same = names == [one.recipient for one in mail.expected]
        right[found.format, "recipient"] += same
        pairs = list(zip(found.recipients, mail.expected, strict=False)) if same else []
        right[found.format, "severity"] += same and all(
            one.severity == wanted.severity for one, wanted in pairs if wanted.severity
        )
        right[found.format, "reason"] += same and all(
            one.reason == wanted.reason for one, wanted in pairs if wanted.reason
        )
    columns = ("kind", "recipient", "severity", "reason")
    lines = ["| format | mails | kind | recipient | hard or soft | reason |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for name in sorted(total):
        cells = " | ".join(str(right[name, column]) for column in columns)
        lines.append(f"| {name} | {total[name]} | {cells} |")
    sums = " | ".join(str(sum(right[name, c] for name in total)) for c in columns)
    lines.append(f"| all | {total.total()} | {sums} |")
    return lines


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
