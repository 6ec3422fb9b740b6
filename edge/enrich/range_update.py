"""One update of the range data: fetch every list, keep what is good, compile once.

A list that fails (not reachable, damaged, suddenly half its size) keeps the rows of its last good
update; the failure is recorded and reported, and the others are updated all the same.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from edge.clock import Clock
from edge.enrich.fetch import MAX_LIST, fetch_to, session
from edge.enrich.range_build import Record, Source, accept, compile_table, load_record
from edge.enrich.range_lists import RangeList
from edge.model.errors import OperatorError, PeerError

Told = Callable[[str, str], None]
"""Called with a list's name and its outcome."""


def iso_time(clock: Clock) -> str:
    """The present in ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(clock.now(), UTC).isoformat(timespec="seconds")


def _read(file: Path) -> bytes:
    try:
        if file.stat().st_size > MAX_LIST:
            raise PeerError(f"{file} has more than {MAX_LIST} bytes")
        return file.read_bytes()
    except OSError as error:
        raise PeerError(f"{file} cannot be read: {error.strerror}") from error


async def _contents(
    client: aiohttp.ClientSession, each: RangeList, file: Path | None, scratch: Path
) -> list[bytes]:
    if file is not None:
        return [_read(file)]
    contents = []
    for place, url in enumerate(each.urls):
        path = scratch / f"{each.name}.{place}"
        await fetch_to(client, url, path, limit=MAX_LIST)
        contents.append(path.read_bytes())
    return contents


async def update(
    path: Path,
    lists: Sequence[RangeList],
    files: dict[str, Path],
    *,
    clock: Clock,
    force: bool = False,
    told: Told = lambda _name, _outcome: None,
) -> tuple[Record, dict[str, str]]:
    """Update ``lists`` and compile the table at ``path``; lists not named keep their rows.

    ``files``: files to read instead of a list's addresses, by list name. Returns the new record
    and the failures (name to reason). Raises OperatorError if the data directory cannot be written.
    """
    now = iso_time(clock)
    known = {each.name: each for each in load_record(path).lists}
    failures: dict[str, str] = {}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".ranges-", dir=path.parent) as scratch:
            async with session() as client:
                for each in lists:
                    file = files.get(each.name)
                    told(each.name, "reading" if file else "fetching")
                    try:
                        contents = await _contents(client, each, file, Path(scratch))
                        source = str(file) if file else " ".join(each.urls)
                        found = accept(path, each, contents, source=source, date=now, force=force)
                        known[each.name] = found
                        told(each.name, f"{found.entries} prefixes")
                    except PeerError as error:
                        failures[each.name] = str(error)
                        _note(known, each.name, str(error))
                        told(each.name, "failed")
        return compile_table(path, list(known.values()), now), failures
    except OSError as error:
        raise OperatorError(f"range data in {path.parent} cannot be written: {error}") from error


def _note(known: dict[str, Source], name: str, error: str) -> None:
    if (last := known.get(name)) is not None:
        last.error = error
