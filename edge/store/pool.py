"""A small pool of Postgres connections, and what its errors mean.

Times travel as whole microseconds since the epoch, the unit of the rest of the project: the pool
sets a codec for ``timestamptz`` that neither builds nor parses calendar objects.

Through PgBouncer in transaction pooling, add ``statement_cache_size=0`` to the URL's query: no
statement is then prepared by name and nothing is set for a whole session. Nothing in this package
takes a session lock.
"""

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from edge.model.errors import CallerError, OperatorError, PeerError

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
else:  # the classes take no parameters at run time
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection | PoolConnectionProxy

EPOCH_2000_US: Final = 946_684_800_000_000
"""PostgreSQL's zero of time, 2000-01-01 UTC, in microseconds since 1970."""

STATEMENT_TIMEOUT_MS: Final = 30_000
OLDEST_SERVER: Final = 150_000

UNAVAILABLE: Final[tuple[type[Exception], ...]] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection whose server died in mid-operation
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
)
"""Errors that pass: the server is away, starting, full, read-only, or chose us in a deadlock."""

REFUSED: Final[tuple[type[Exception], ...]] = (
    UnicodeEncodeError,
    struct.error,
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
)
"""Errors that stay: Postgres will never take one of these rows, or they cannot even be encoded."""


def _encode_time(at: int) -> tuple[int]:
    return (at - EPOCH_2000_US,)


def _decode_time(wire: tuple[int]) -> int:
    return wire[0] + EPOCH_2000_US


async def prepare(connection: Connection) -> None:
    """Set the codec of times; the pool does so for its connections."""
    await connection.set_type_codec(
        "timestamptz",
        schema="pg_catalog",
        encoder=_encode_time,
        decoder=_decode_time,
        format="tuple",
    )


async def _leave_as_it_is(_: Connection) -> None:
    """Nothing of ours outlives its transaction in a session, so giving one back asks nothing.

    asyncpg's own reset is a round trip for every use of a connection (RESET ALL and so on); an
    open transaction it ends in any case.
    """


def _split(url: str) -> tuple[str, dict[str, Any]]:
    """The URL without our own parameter, and asyncpg's arguments."""
    parts = urlsplit(url)
    pairs = parse_qsl(parts.query, keep_blank_values=True)
    cache = dict(pairs).get("statement_cache_size")
    settings = {"application_name": "edge"}
    arguments: dict[str, Any] = {"server_settings": settings}
    if cache is not None:
        try:
            arguments["statement_cache_size"] = int(cache)
        except ValueError:
            raise OperatorError(
                f"EDGE_DATABASE_URL: statement_cache_size={cache} is not a number"
            ) from None
    if arguments.get("statement_cache_size") != 0:
        settings |= {"statement_timeout": str(STATEMENT_TIMEOUT_MS), "jit": "off"}
    query = urlencode([pair for pair in pairs if pair[0] != "statement_cache_size"], safe="/")
    return urlunsplit(parts._replace(query=query)), arguments


async def connect(url: str, *, max_size: int = 4, connect_timeout: float = 10) -> Pool:
    """An open pool; ``connect_timeout`` in seconds.

    Raises :class:`~edge.model.errors.PeerError` when the server cannot be reached (trying again
    may help), and OperatorError for a URL that is wrong or a server older than 15.
    """
    dsn, arguments = _split(url)
    try:
        pool = await asyncpg.create_pool(
            dsn,
            min_size=0,  # with a floor asyncpg logs a traceback whenever the server goes away
            max_size=max_size,
            timeout=connect_timeout,
            command_timeout=STATEMENT_TIMEOUT_MS / 1000 + 5,
            max_inactive_connection_lifetime=300,
            init=prepare,
            reset=_leave_as_it_is,
            **arguments,
        )
        version = await pool.fetchval("SELECT current_setting('server_version_num')::int")
    except (ValueError, asyncpg.ClientConfigurationError) as error:
        raise OperatorError(f"EDGE_DATABASE_URL is wrong: {error}") from None
    except UNAVAILABLE as error:
        reason = str(error) or type(error).__name__
        raise PeerError(f"Postgres cannot be reached: {reason}") from error
    if version < OLDEST_SERVER:
        await pool.close()
        raise OperatorError(f"PostgreSQL 15 or newer is needed; this server is {version // 10_000}")
    return pool


@contextmanager
def in_time() -> Iterator[None]:
    """Tell the caller that a question takes longer than a statement may: do not ask it again."""
    try:
        yield
    except asyncpg.QueryCanceledError:
        seconds = STATEMENT_TIMEOUT_MS // 1000
        raise CallerError(
            f"This takes more than {seconds} s to find out: ask for a shorter span of time, one "
            "domain, or fewer dimensions"
        ) from None


@asynccontextmanager
async def opened(url: str, *, max_size: int = 4) -> AsyncIterator[Pool]:
    """A pool for the duration of a block; errors as :func:`connect`."""
    pool = await connect(url, max_size=max_size)
    try:
        yield pool
    finally:
        try:
            async with asyncio.timeout(5):
                await pool.close()
        except TimeoutError:
            pool.terminate()
