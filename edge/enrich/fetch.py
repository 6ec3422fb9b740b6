"""Downloads of published data: bounded in time and size, with progress."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp

from edge.model.errors import PeerError

TIMEOUT: Final = aiohttp.ClientTimeout(total=900, connect=20, sock_read=60)
"""Seconds for a whole download, for a connection, and between two pieces."""

MAX_LIST: Final = 64 << 20
"""Bytes of one range list; the largest published one has 12 MB."""

MAX_DATABASE: Final = 512 << 20
"""Bytes of one geolocation database as downloaded."""

Progress = Callable[[int, int], None]
"""Called with bytes so far and bytes in all (0 = not known)."""


def session() -> aiohttp.ClientSession:
    """A session for downloads; proxies of the environment are respected. Close it."""
    return aiohttp.ClientSession(
        timeout=TIMEOUT, trust_env=True, headers={"User-Agent": "tracking-edge data update"}
    )


async def fetch_to(
    client: aiohttp.ClientSession,
    url: str,
    path: Path,
    *,
    limit: int,
    progress: Progress | None = None,
    authorization: str = "",
) -> None:
    """Write what ``url`` answers to ``path``.

    Raises :class:`~edge.model.errors.PeerError` if it does not answer 200, breaks off, or sends
    more than ``limit`` bytes. ``authorization`` is that header's value. Errors name the URL without
    its query.
    """
    shown = url.partition("?")[0]
    done = 0
    # aiohttp drops this header when a redirect leads to another host, as MaxMind's does.
    headers = {"Authorization": authorization} if authorization else {}
    try:
        async with client.get(url, headers=headers) as answer:
            if answer.status != 200:
                raise PeerError(f"{shown} answered {answer.status} {answer.reason or ''}".rstrip())
            whole = answer.content_length or 0
            if whole > limit:
                raise PeerError(f"{shown} has {whole} bytes, more than the {limit} expected")
            with path.open("wb") as file:
                async for piece in answer.content.iter_chunked(1 << 16):
                    done += len(piece)
                    if done > limit:
                        raise PeerError(f"{shown} sends more than the {limit} bytes expected")
                    file.write(piece)
                    if progress is not None:
                        progress(done, whole)
    except (aiohttp.ClientError, TimeoutError) as error:
        reason = str(error) or type(error).__name__
        raise PeerError(f"{shown} could not be fetched: {reason}") from error
