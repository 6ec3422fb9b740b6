"""The server for mail that comes back, built of the settings."""

from edge.adapters.first_run import control_url
from edge.api.context import PATIENCE
from edge.clock import SystemClock
from edge.model.vault import Vault
from edge.returns.reading import compile_rules
from edge.sending.path_keys import PathKeys
from edge.sending.returning import Returns
from edge.sending.returns_server import ReturnsServer
from edge.settings import Settings
from edge.store.pool import Pool


def returns_server(settings: Settings, vault: Vault, pool: Pool, name: str) -> ReturnsServer:
    """A server that calls itself ``name`` and writes to this database; its rules are compiled."""
    compile_rules()
    clock, keys = SystemClock(), PathKeys(vault)
    url = settings.public_url or control_url(settings)
    return ReturnsServer(
        returns=Returns(clock, keys, public_url=url, soft_run=settings.soft_run),
        keys=keys,
        connect=lambda: pool.acquire(timeout=PATIENCE),
        clock=clock,
        hostname=name,
        rate=settings.returns_rate,
    )
