"""What the operator is told when certificates are about to lapse: a log line, and a program.

By the time a certificate has less than a quarter of its life left everything automatic has failed
for weeks, and with HSTS a lapse breaks every link in mail already sent. The same for an authority
that refuses us: terms, account, rate. Each subject is told once a day, by one of all edges.
"""

import asyncio
import json
from collections.abc import Sequence
from typing import Any, Final

import structlog

from edge.clock import Clock
from edge.model.certificate import DAY
from edge.model.errors import OperatorError
from edge.observe import metrics
from edge.store import certificates
from edge.store.pool import Connection

log = structlog.get_logger()

EVERY: Final = DAY
REFUSED_WITHIN: Final = 3600.0
"""Seconds for which a refusal counts as one of now."""

MOST_NAMED: Final = 100
DEADLINE: Final = 30.0
"""Seconds that the program may take; then it is killed."""

_ENVIRONMENT: Final = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Alarms:
    """Looks for what the operator must know, and runs ``command`` (program and arguments)."""

    def __init__(self, command: Sequence[str], clock: Clock, deadline: float = DEADLINE) -> None:
        self._command = list(command)
        self._clock = clock
        self._deadline = deadline

    async def look(self, conn: Connection) -> None:
        """Raise what there is to be raised.

        That it was raised is committed after the program has ended well: one that fails is run
        again at the next look.
        """
        async with conn.transaction():
            for alarm in [await self._ending(conn), await self._refused(conn)]:
                if alarm is not None:
                    await self._raise(alarm)

    async def _ending(self, conn: Connection) -> dict[str, Any] | None:
        now = self._clock.now()
        new = [
            one
            for one in await certificates.ending(conn, now)
            if await certificates.may_raise(conn, f"ending {one['host']}", now, EVERY)
        ]
        if not new:
            return None
        hosts = [
            {
                "host": one["host"],
                "days_left": round((one["not_after"] - now) / DAY, 2),
                "imported": one["imported"],
            }
            for one in new[:MOST_NAMED]
        ]
        text = (
            f"{len(new)} certificates have less than a quarter of their life left, first "
            f"{hosts[0]['host']} with {hosts[0]['days_left']} days; see edge cert status HOST"
        )
        return {"alarm": "certificates-ending", "text": text, "count": len(new), "hosts": hosts}

    async def _refused(self, conn: Connection) -> dict[str, Any] | None:
        now = self._clock.now()
        found = await certificates.refused(conn, now - REFUSED_WITHIN)
        if not found or not await certificates.may_raise(conn, "refused", now, EVERY):
            return None
        hosts = [{"host": host, "text": text} for host, text in found]
        return {
            "alarm": "certificates-refused",
            "text": f"no certificates until you act: {found[0][1]}",
            "count": len(hosts),
            "hosts": hosts,
        }

    async def _raise(self, alarm: dict[str, Any]) -> None:
        metrics.CERTIFICATE_ALARMS.labels(alarm["alarm"]).inc()
        log.error(alarm["text"], alarm=alarm["alarm"], count=alarm["count"])
        if self._command:
            await self._run(json.dumps({**alarm, "at": self._clock.now()}).encode() + b"\n")

    async def _run(self, body: bytes) -> None:
        program = self._command[0]
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=_ENVIRONMENT,
                start_new_session=True,
            )
        except OSError as error:
            raise OperatorError(f"EDGE_ALARM_COMMAND: {program}: {error.strerror}") from None
        try:
            async with asyncio.timeout(self._deadline):
                await process.communicate(body)
        except TimeoutError:
            raise OperatorError(
                f"EDGE_ALARM_COMMAND: {program} did not end within {self._deadline:.0f} s"
            ) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if process.returncode:
            raise OperatorError(f"EDGE_ALARM_COMMAND: {program} ended with {process.returncode}")
