"""A backlog: segments full of records, as the tracking workers of a busy machine leave them.

Written with the project's own framing, straight into segments that nobody holds, in a directory
beside the spool; :meth:`Backlog.release` then moves them into the spool in one go.
"""

import os
import random
import shutil
import time
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.load import HEADERS
from benchmarks.traffic import Message, addresses, click_target, open_target, user_agents
from edge.clock import SystemClock
from edge.model.capture import Act, Hit
from edge.spool.writer import SpoolWriter

CLICKS: Final = 0.25
"""Share of clicks among the records."""

_encode = msgspec.msgpack.Encoder().encode


class Backlog:
    """``count`` records of the last ``seconds``, ending a minute ago."""

    def __init__(
        self,
        spool: Path,
        made: list[Message],
        count: int,
        *,
        seconds: float,
        edge_id: str,
        seed: int = 5,
    ) -> None:
        self._spool = spool
        self._aside = spool.parent / f"backlog-{seed}"
        self._aside.mkdir(mode=0o700)
        owner = spool.stat()
        if os.geteuid() == 0:
            os.chown(self._aside, owner.st_uid, owner.st_gid)
        self.count = count
        self._write(made, count, seconds, edge_id, seed)
        self.bytes = sum(path.stat().st_size for path in self._aside.glob("*.seg"))

    def _write(
        self, made: list[Message], count: int, seconds: float, edge_id: str, seed: int
    ) -> None:
        chosen = random.Random(seed)
        heads = [f"\r\nUser-Agent: {agent}\r\n{HEADERS}\r\n" for agent in user_agents(1000)]
        places = addresses(20_000)
        opens = [_encode(open_target(message)) for message in made]
        clicks = [_encode(click_target(message, place)) for place, message in enumerate(made)]
        writer = SpoolWriter(
            self._aside, edge=edge_id, clock=SystemClock(), max_bytes=1 << 40, idle=1e9
        )
        end = time.time_ns() // 1000 - 60_000_000
        step = seconds * 1e6 / count
        prefix = os.urandom(5)
        token = "A" * 90
        for place in range(count):
            at = int(end - (count - place) * step)
            which = chosen.randrange(len(made))
            click = chosen.random() < CLICKS
            message = made[which]
            kind = "c" if click else "o"
            agent = heads[int(len(heads) * chosen.random() ** 2)]
            head = f"GET /{kind}/{token}{which} HTTP/1.1\r\nHost: {message.host}{agent}"
            writer.append(
                Hit(
                    at.to_bytes(7, "big") + prefix + place.to_bytes(4, "big"),
                    at,
                    Act.CLICK if click else Act.OPEN,
                    places[chosen.randrange(len(places))],
                    False,
                    clicks[which] if click else opens[which],
                    head.encode(),
                )
            )
            if place % 100 == 99:
                writer.commit()
        writer.close()
        if writer.dropped or writer.written != count:
            raise RuntimeError(f"{writer.written} of {count} records reached the backlog")

    def release(self) -> None:
        """Move all segments into the spool."""
        for path in sorted(self._aside.glob("*.seg")):
            path.rename(self._spool / path.name)
        shutil.rmtree(self._aside)
