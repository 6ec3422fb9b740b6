"""Webhooks as the settings say: what posts them, for the dispatcher, the API and commands."""

from edge.adapters.first_run import control_url
from edge.clock import Clock
from edge.lifecycle import Tasks
from edge.model.vault import Vault
from edge.settings import Settings
from edge.store.pool import Pool
from edge.webhooks.delivery import Own, Poster
from edge.webhooks.dispatch import Dispatcher

CONNECTIONS = 4
"""Connections to Postgres of the dispatcher."""


def own_receiver(settings: Settings) -> Own:
    """The built-in receiver, on the control port."""
    bases = (settings.public_url.rstrip("/"),) if settings.public_url else ()
    return Own(control_url(settings), bases)


def poster_of(settings: Settings, clock: Clock) -> Poster:
    """What calls endpoints."""
    return Poster(
        clock,
        allowed=settings.webhook_allow_networks,
        resolvers=[(bind.host, bind.port) for bind in settings.resolvers],
        ca_file=settings.webhook_ca_file,
        seconds=settings.webhook_timeout,
        own=own_receiver(settings),
    )


async def dispatch(
    settings: Settings, pool: Pool, vault: Vault, clock: Clock, tasks: Tasks, holder: str
) -> None:
    """Post what is queued until the child stops."""
    async with poster_of(settings, clock) as poster:
        dispatcher = Dispatcher(
            pool=pool,
            clock=clock,
            tasks=tasks,
            vault=vault,
            poster=poster,
            holder=holder,
            most=settings.webhooks_at_once,
            each=settings.webhooks_per_endpoint,
            queue_limit=settings.webhook_queue_limit,
        )
        await dispatcher.run()
