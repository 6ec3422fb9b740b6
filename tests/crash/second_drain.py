"""A second ingest station on a running edge's data directory: ``... second_drain DATA_DIR DSN``.

It does what an old supervisor's ingest does while a new one is at work already.
"""

import os
import sys
from pathlib import Path

import uvloop

from edge.clock import SystemClock
from edge.ingest.station import IngestStation
from edge.lifecycle import Tasks
from edge.store import pool


async def main(data_dir: Path, dsn: str) -> None:
    """Drain until SIGTERM."""
    tasks = Tasks()
    tasks.on_signals()
    async with pool.opened(dsn) as opened:
        station = IngestStation(
            spool=data_dir / "spool",
            roster_path=data_dir / "roster.bin",
            ranges_path=data_dir / "ranges.mmdb",
            geo_path=data_dir / "geo.mmdb",
            gmail_image_proxy="human",
            settle=0.3,
            trusted=lambda _: False,
            edge_id=(data_dir / "edge-id").read_text().strip(),
            name="second",
            pool=opened,
            clock=SystemClock(),
            tasks=tasks,
        )
        await station.run()
        await tasks.close()


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    if os.geteuid() == 0:
        owner = (directory / "spool").stat()
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)
    uvloop.run(main(directory, sys.argv[2]))
