"""The plot: how much of its limit each figure uses."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from benchmarks.figure import Section

_GOOD, _BAD = "#2a7f62", "#b5402a"


def draw(sections: list[Section], path: Path) -> None:
    """One bar per figure that has a limit; left of the line is kept, right of it is not."""
    bars = [
        (figure.name, figure.share)
        for section in sections
        for figure in section.figures
        if figure.share is not None
    ]
    mpl.rcParams["svg.hashsalt"] = "edge"
    canvas = Canvas(figsize=(9, 1.2 + 0.36 * len(bars)), layout="constrained")
    axes = canvas.subplots()
    places = range(len(bars), 0, -1)
    shares = [share for _, share in bars]
    drawn = axes.barh(places, shares, color=[_GOOD if s <= 1 else _BAD for s in shares], height=0.6)
    axes.bar_label(drawn, [f"{share:.2f}" for share in shares], padding=4, fontsize=9)
    axes.set_yticks(list(places), [name for name, _ in bars], fontsize=9)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlim(0, max([1.2, *(share * 1.15 for share in shares)]))
    axes.set_xlabel("share of the limit used: 1 is the limit, less is better")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    canvas.savefig(path, format="svg", metadata={"Date": None})
