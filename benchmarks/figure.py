"""What a benchmark yields: figures with a limit, and how long a run may be."""

from collections.abc import Sequence
from enum import StrEnum
from statistics import median

import msgspec


class Limit(StrEnum):
    """Which side of the limit is good, and what is compared with it."""

    RATIO_AT_MOST = "ratio at most"
    VALUE_AT_MOST = "value at most"
    VALUE_AT_LEAST = "value at least"


class Figure(msgspec.Struct, kw_only=True):
    """One row of the table.

    ``value`` and ``against`` are in ``unit``; ``accepted`` is what is promised, ``aim`` where the
    project is going; both None for a figure that is only reported. ``spread`` holds the rounds'
    ratios or values, lowest and highest.
    """

    name: str
    value: float
    unit: str
    against: float | None = None
    against_what: str = ""
    ratio: float | None = None
    limit: Limit | None = None
    accepted: float | None = None
    aim: float | None = None
    spread: tuple[float, float] | None = None

    @property
    def judged(self) -> float | None:
        """The number that the limit is about."""
        return self.ratio if self.limit is Limit.RATIO_AT_MOST else self.value

    @property
    def share(self) -> float | None:
        """How much of the limit is used: up to 1 is good, whichever side the limit is on."""
        if self.limit is None or self.accepted is None or not self.judged:
            return None
        if self.limit is Limit.VALUE_AT_LEAST:
            return self.accepted / self.judged
        return self.judged / self.accepted


class Section(msgspec.Struct, kw_only=True):
    """The figures of one script, with what a reader must know to believe or doubt them."""

    name: str
    title: str
    figures: list[Figure]
    notes: list[str]
    date: str = ""
    quick: bool = False


class Scale(msgspec.Struct, frozen=True):
    """How much is measured: ``quick`` proves that the scripts run, its figures are provisional."""

    quick: bool = False

    def pick(self, full: int, quick: int) -> int:
        """The size for this run."""
        return quick if self.quick else full


def ratio_figure(
    name: str,
    unit: str,
    values: Sequence[float],
    against: Sequence[float],
    against_what: str,
    *,
    limit: Limit | None = None,
    accepted: float | None = None,
    aim: float | None = None,
) -> Figure:
    """A figure of rounds run in turn: medians, and the median of the rounds' own ratios."""
    ratios = [mine / theirs for mine, theirs in zip(values, against, strict=True)]
    return Figure(
        name=name,
        value=median(values),
        unit=unit,
        against=median(against),
        against_what=against_what,
        ratio=median(ratios),
        limit=limit,
        accepted=accepted,
        aim=aim,
        spread=(min(ratios), max(ratios)),
    )
