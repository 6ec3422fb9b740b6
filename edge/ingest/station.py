"""The ingest station of one machine: drain, keeper, and reloading of ranges and geo data."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from edge.clock import Clock
from edge.enrich.pipeline import open_enricher
from edge.ingest.drain import Drain
from edge.ingest.keeper import Keeper
from edge.ingest.key_files import KeyFiles
from edge.lifecycle import Tasks
from edge.observe import metrics
from edge.spool.writer import spool_bytes
from edge.store.pool import Pool

KEEP_SECONDS: Final = 1.0
RELOAD_SECONDS: Final = 5.0


class IngestStation:
    """Everything that needs Postgres and must run on every machine that has a spool."""

    def __init__(
        self,
        *,
        spool: Path,
        roster_path: Path,
        ranges_path: Path,
        geo_path: Path,
        gmail_image_proxy: str,
        settle: float,
        trusted: Callable[[str], bool],
        edge_id: str,
        name: str,
        pool: Pool,
        clock: Clock,
        tasks: Tasks,
        keys: KeyFiles | None = None,
    ) -> None:
        self._tasks = tasks
        self._keys = keys
        self._spool = spool
        self._enricher = open_enricher(
            ranges_path=ranges_path, geo_path=geo_path, gmail_image_proxy=gmail_image_proxy
        )
        self._keeper = Keeper(pool=pool, path=roster_path, edge_id=edge_id, name=name)
        self._drain = Drain(
            pool=pool,
            spool=spool,
            edge_id=edge_id,
            enricher=self._enricher,
            settle=settle,
            trusted=trusted,
            names=self._keeper,
            clock=clock,
            tasks=tasks,
        )

    async def run(self) -> None:
        """Work until the group stops."""
        tasks = self._tasks
        self._spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        tasks.spawn("keeper", tasks.every(KEEP_SECONDS, self._keeper.refresh, "keeper"))
        if self._keys is not None:
            tasks.spawn("key files", tasks.every(KEEP_SECONDS, self._keys.refresh, "key files"))
        tasks.spawn("reload", tasks.every(RELOAD_SECONDS, self._reload, "reload"))
        tasks.spawn("forget", tasks.every(60.0, self._drain.forget_deleted, "forget offsets"))
        await self._drain.run()

    async def _reload(self) -> None:
        self._enricher.reload()
        metrics.SPOOL_BYTES.set(spool_bytes(self._spool))
