"""The report: every figure kept in ``results.json``, the table in ``RESULTS.md``, and the plot."""

from pathlib import Path

import msgspec

from benchmarks import machine
from benchmarks.figure import Figure, Limit, Section
from benchmarks.plot import draw

HERE = Path(__file__).parent
KEPT = HERE / "results.json"
RESULTS = HERE / "RESULTS.md"
PLOT = HERE / "results.svg"
ORDER = (
    *("request-cost", "whole-line", "drain", "verdicts", "latency", "memory", "start"),
    *("tls-connection", "certificate-memory", "sni-miss", "certificates", "issuing"),
    *("instrumenting", "signing", "sending", "webhooks", "reading", "panel-pages", "returned"),
)

_HEAD = """# Results

Written by `make bench`. Each figure is measured beside what it is compared with, in turn, in the
same minutes on the same machine; the ratio is the median of the rounds' ratios. CPU time is the
kernel's own account of whole process groups. *Accepted* is the promise, *aim* is where the project
is going; figures without a limit are reported so that nothing is left out. The range in brackets
is the lowest and highest round. What misses its limit is explained in
[SHORTFALLS.md](SHORTFALLS.md).
"""


def _kept() -> dict[str, Section]:
    if not KEPT.exists():
        return {}
    found = msgspec.json.decode(KEPT.read_bytes(), type=list[Section])
    return {section.name: section for section in found}


def keep(section: Section) -> None:
    """Remember a section's figures instead of its last ones."""
    kept = _kept() | {section.name: section}
    ordered = [kept[name] for name in ORDER if name in kept]
    KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")


def number(value: float) -> str:
    """Three digits that mean something."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:.0f}"


def _limit(figure: Figure, value: float | None) -> str:
    if value is None or figure.limit is None:
        return ""
    sign = "≥" if figure.limit is Limit.VALUE_AT_LEAST else "≤"
    unit = " ×" if figure.limit is Limit.RATIO_AT_MOST else f" {figure.unit}"
    return f"{sign} {number(value)}{unit}"


def _met(figure: Figure) -> str:
    share = figure.share
    return "" if share is None else "yes" if share <= 1 else "**no**"


def _row(figure: Figure) -> str:
    against = ""
    if figure.against is not None:
        against = f"{number(figure.against)} {figure.unit}, {figure.against_what}"
    ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} ×"
    spread = ""
    if figure.spread is not None:
        spread = f" ({number(figure.spread[0])}–{number(figure.spread[1])})"
    mine = f"{number(figure.value)} {figure.unit}"
    if ratio:
        ratio += spread
    else:
        mine += spread
    cells = (
        *(figure.name, mine, against, ratio),
        *(_limit(figure, figure.accepted), _limit(figure, figure.aim), _met(figure)),
    )
    return f"| {' | '.join(cells)} |"


def _part(section: Section) -> list[str]:
    form = ", short form: provisional" if section.quick else ""
    return [
        f"## {section.title}",
        "",
        f"Measured {section.date}{form} (`python -m benchmarks --only {section.name}`).",
        "",
        "| figure | measured | against | ratio | accepted | aim | met |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *map(_row, section.figures),
        "",
        *(f"- {note}" for note in section.notes),
        "",
    ]


def show(section: Section, seconds: float) -> None:
    """Print a section's figures."""
    print(f"  {section.title} ({seconds:.0f} s)")
    for figure in section.figures:
        print(f"  {_row(figure)}")
    for note in section.notes:
        print(f"  - {note}")


def write() -> None:
    """Write the report and the plot from all that is kept."""
    sections = [section for section in _kept().values() if section.figures]
    if not sections:
        return
    lines = [_HEAD, "![Share of each limit that is used](results.svg)", ""]
    lines += ["| machine | |", "| --- | --- |"]
    lines += [f"| {name} | {value} |" for name, value in machine.facts()]
    lines.append("")
    for section in sections:
        lines += _part(section)
    RESULTS.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    draw(sections, PLOT)
