"""A worker's plain counts, added to the shared metrics once a second.

The hot path only counts in integers of its own objects; what they grew by since the last time is
published here. A killed worker takes at most its last second of counting with it; the records
themselves are in the spool.
"""

from typing import Final

from edge.model.capture import Act
from edge.observe import metrics
from edge.spool.writer import SpoolWriter
from edge.tracking.recorder import Recorder

ACT_NAMES: Final = {act: act.name.lower().replace("_", "-") for act in Act}


class Counters:
    """Publishes the counts of one worker."""

    def __init__(self, recorder: Recorder, spool: SpoolWriter) -> None:
        self._recorder = recorder
        self._spool = spool
        self._before: dict[tuple[str, ...], int] = {}

    def publish(self, *, foreign: int, refused: int, connections: int) -> None:
        """Add what came since the last call. ``foreign``: requests without an authentic token."""
        recorder, spool = self._recorder, self._spool
        for act, name in ACT_NAMES.items():
            if new := self._new(recorder.recorded[act], "act", name):
                metrics.REQUESTS.labels(name, "authentic").inc(new)
        if new := self._new(foreign, "foreign"):
            metrics.REQUESTS.labels("unknown", "foreign").inc(new)
        metrics.RECORDS_WRITTEN.inc(self._new(spool.written, "written"))
        if new := self._new(spool.dropped, "dropped"):
            metrics.RECORDS_DROPPED.labels("disk").inc(new)
        if new := self._new(spool.shed, "shed"):
            metrics.RECORDS_DROPPED.labels("limit").inc(new)
        metrics.REPEATS_COLLAPSED.inc(self._new(recorder.collapsed, "collapsed"))
        if new := self._new(refused, "refused"):
            metrics.CONNECTIONS_REFUSED.labels("limit").inc(new)
        metrics.CONNECTIONS_OPEN.set(connections)

    def _new(self, count: int, *key: str) -> int:
        before = self._before.get(key, 0)
        self._before[key] = count
        return count - before
