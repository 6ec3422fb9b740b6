"""The first run: a sandbox domain and a sample message, so that there is something to open.

Runs in a child of its own once Postgres is there. On later starts it only says where things are.
"""

import secrets
import shlex
import shutil
import sys
from pathlib import Path
from typing import Final

from edge.adapters import sample_message
from edge.clock import Clock
from edge.control import SAMPLE_FILE
from edge.lifecycle import Tasks
from edge.model.capture import Facts
from edge.model.domain import Domain, public_url
from edge.model.tokens import (
    FORMAT_VERSION,
    ClickTarget,
    Keyring,
    Level,
    OpenTarget,
    UnsubscribeTarget,
    make_message_id,
    pack_message_id,
)
from edge.model.vault import Vault
from edge.private_files import write_private
from edge.roster import snapshot
from edge.setting_types import Bind
from edge.settings import Settings
from edge.store import api_keys, domains, events, keys, panel_users, roster
from edge.store.pool import Pool

SANDBOX: Final = "sandbox.localhost"
"""Names under ``localhost`` lead to this machine (RFC 6761 section 6.3)."""

RECIPIENT: Final = "reader@example.com"

_ROSTER_PATIENCE = 20.0


async def greet(
    pool: Pool, settings: Settings, vault: Vault, clock: Clock, tasks: Tasks, *, has_api: bool
) -> None:
    """Make what a new database lacks, wait until the edge serves it, and print what to open.

    Where this machine ``has_api``, an API key is made and printed too: once, since only its digest
    is kept; and the link that makes the panel's first user, on every start until there is one.
    """
    async with pool.acquire() as conn:
        await keys.create_first(conn, vault)
        new = not await domains.list_domains(conn, removed=True)
        if new:
            wanted = Domain(
                number=0, name=SANDBOX, open=True, click="yes", unsubscribe=True, retention_days=30
            )
            domain = await domains.add(conn, wanted, now_us=clock.now_us())
            message_id = _message_id(clock)
            facts = Facts(
                at=clock.now_us(),
                domain=domain.number,
                message_id=message_id,
                tags=["sample"],
                headers={"subject": "This message is tracked by your own edge", "to": RECIPIENT},
            )
            prepared = events.prepare(events.Batch(facts=[facts]), now_us=clock.now_us())
            async with conn.transaction():
                await events.add(conn, prepared)
            found = await roster.read(conn)
            urls = _urls(settings, domain, found.keyring(vault), message_id)
            version = found.version
        code = await panel_users.invite(conn, now_us=clock.now_us()) if has_api else None
    if not new:
        _say("\n".join([_where(settings), *_panel_lines(settings, code, has_api=has_api)]))
        return
    page = sample_message.page(
        recipient=RECIPIENT,
        host=domain.tracking_host,
        command=command(settings, "events", "tail"),
        **urls,
    )
    write_private(settings.data_dir / SAMPLE_FILE, page.encode(), None)
    if await _served(settings, version, clock, tasks):
        key = await _first_key(pool, clock) if has_api else None
        _say(_welcome(settings, urls["pixel"], key, _panel_lines(settings, code, has_api=has_api)))


async def _first_key(pool: Pool, clock: Clock) -> tuple[str, int]:
    async with pool.acquire() as conn:
        return await api_keys.create(conn, "first run", now_us=clock.now_us())


def _message_id(clock: Clock) -> str:
    return make_message_id(SANDBOX, clock.now_us(), secrets.token_bytes(8))


def _urls(settings: Settings, domain: Domain, keyring: Keyring, message_id: str) -> dict[str, str]:
    packed = pack_message_id(message_id, domain.name)
    port = settings.https_port if domain.web_scheme == "https" else settings.http_port
    head = (FORMAT_VERSION, domain.number, packed, RECIPIENT)

    def url(kind: str, target: OpenTarget | ClickTarget | UnsubscribeTarget) -> str:
        path = f"/{kind}/{keyring.seal(target)}"
        return public_url(domain.web_scheme, domain.tracking_host, port, path)

    return {
        "pixel": url("o", OpenTarget(*head)),
        "first": url("c", ClickTarget(*head, 0, f"{control_url(settings)}/readyz")),
        "second": url("c", ClickTarget(*head, 1, "https://example.com/")),
        "unsubscribe": url("u", UnsubscribeTarget(*head, Level.DOMAIN, [])),
    }


async def _served(settings: Settings, version: int, clock: Clock, tasks: Tasks) -> bool:
    """Wait until the roster on disk holds the sandbox; False when the edge is stopping."""
    deadline = clock.monotonic() + _ROSTER_PATIENCE
    while clock.monotonic() < deadline:
        current = snapshot.load(settings.data_dir / snapshot.FILE_NAME)
        if current is not None and current.version >= version:
            break
        if await tasks.pause(0.1):
            return False
    return not await tasks.pause(1.1)  # each worker looks at the roster once a second


def control_url(settings: Settings) -> str:
    """Base URL of the control port as this machine reaches it."""
    bind = settings.control_bind
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind.host, bind.host)  # noqa: S104 - compared, not bound
    scheme = "https" if settings.control_tls_cert_file else "http"
    return f"{scheme}://{Bind(host=host, port=bind.port)}"


def panel_url(settings: Settings) -> str:
    """Base URL of the control panel as browsers reach it."""
    if settings.panel_url:
        return settings.panel_url
    bind = settings.panel_bind
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bind.host, bind.host)  # noqa: S104 - compared, not bound
    scheme = "https" if settings.panel_tls_cert_file else "http"
    return f"{scheme}://{Bind(host=host, port=bind.port)}"


def command(settings: Settings, *words: str) -> str:
    """An ``edge`` command as it can be pasted into a shell in the directory of this start."""
    program = Path(sys.argv[0])
    found = shutil.which(program.name)
    if program.name == "__main__.py":
        start = [sys.executable, "-m", "edge"]
    elif found is not None and Path(found).resolve() == program.resolve():
        start = [program.name]
    else:
        start = [str(program)]
    place = []
    if settings.data_dir != Settings.model_fields["data_dir"].default.absolute():
        place = ["--data-dir", str(settings.data_dir)]
    return shlex.join([*start, *words, *place])


def _api_lines(settings: Settings, key: str, number: int) -> list[str]:
    """A request that works when it is pasted; ``-k`` because the certificate names no loopback."""
    flags = "-sk" if settings.control_tls_cert_file else "-s"
    where = f"{control_url(settings)}/v3/{SANDBOX}/messages"
    fields = (
        f"-F from=news@{SANDBOX} -F to={RECIPIENT} -F subject=Hello -F text=https://example.com/"
    )
    return [
        "Send a message with this API key, which is shown only now:",
        f"  curl {flags} --user 'api:{key}' {where} {fields}",
        "The sandbox keeps it instead of sending it; see what would have gone out:",
        f"  {command(settings, 'outbox', 'list', SANDBOX)}",
        "End that key when you have one of your own:",
        f"  {command(settings, 'apikey', 'revoke', str(number))}",
    ]


def _panel_lines(settings: Settings, code: str | None, *, has_api: bool) -> list[str]:
    """Where the panel is; with a code, the link that makes its first user."""
    if not has_api:
        return []
    if code is None:
        return [f"Control panel: {panel_url(settings)}/"]
    return [
        "Look at everything in a browser: this link, good once and for a day, makes you the",
        "control panel's owner:",
        f"  {panel_url(settings)}/first-run?code={code}",
    ]


def _welcome(settings: Settings, pixel: str, key: tuple[str, int] | None, panel: list[str]) -> str:
    lines = [
        "",
        "The edge is ready, with a sandbox domain and a sample message.",
        "",
        "Open the message in a browser, follow a link, unsubscribe:",
        f"  {control_url(settings)}/sample",
        "or fetch its pixel (recorded as a machine's, because curl is one):",
        f"  curl -s -D - -o /dev/null '{pixel}'",
        "See what was recorded, from another terminal (it takes a few seconds to appear):",
        f"  {command(settings, 'events', 'tail')}",
        *panel,
        *(_api_lines(settings, *key) if key else ()),
        "Track a domain of your own:",
        f"  {command(settings, 'domain', 'add', 'example.com')}",
        "",
    ]
    if not settings.geo_path.exists():
        lines += [
            "Places are shown as Unknown until there is a geolocation database. None is shipped,",
            "because of its licence; this fetches a free one (DB-IP City Lite):",
            f"  {command(settings, 'geo', 'update')}",
            "",
        ]
    lines += ["Ctrl-C stops the edge; what it has recorded is kept.", ""]
    return "\n".join(lines)


def _where(settings: Settings) -> str:
    health = f"{control_url(settings)}/readyz"
    lines = [
        f"The edge is ready: tracking on {settings.http_bind}, health on {health}.",
        f"Data: {settings.data_dir}",
        f"Events: {command(settings, 'events', 'tail')}",
    ]
    if (settings.data_dir / SAMPLE_FILE).exists():
        lines.append(f"Sample message: {control_url(settings)}/sample")
    return "\n".join(lines)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
