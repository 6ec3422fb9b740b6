"""What the mail of each domain leaves by, as one picture that is replaced when anything changes."""

import asyncio
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from edge.clock import Clock
from edge.model.domain import Domain, Footers, tracking_url
from edge.model.errors import EdgeError
from edge.model.roster import Snapshot
from edge.model.tokens import Keyring, Kind, Target
from edge.model.vault import Vault
from edge.sending.dkim import Signer, generate_key
from edge.sending.path_keys import return_paths
from edge.sending.return_path import ReturnPaths
from edge.sending.routes import SANDBOX, Route, parse_route
from edge.store import keys, roster, routes
from edge.store.pool import Connection
from edge.store.routes import DkimKey, Limits

log = structlog.get_logger()

SELECTOR: Final = "edge1"
"""The DNS label of the DKIM key that is made for a domain."""

LOOK_SECONDS: Final = 1.0
"""How often the roster's version is asked for."""


class Home(msgspec.Struct, frozen=True, kw_only=True):
    """One domain; ``route`` None is the sandbox."""

    domain: Domain
    footers: Footers
    hosts: tuple[str, ...]
    route: Route | None
    signer: Signer
    limits: Limits


class Ports(msgspec.Struct, frozen=True):
    """Ports in the URLs that are put into messages."""

    http: int
    https: int


class Homes:
    """Every domain that may send. ``default_route`` is that of domains without one of their own."""

    def __init__(self, vault: Vault, clock: Clock, ports: Ports, default_route: str) -> None:
        self._vault = vault
        self._clock = clock
        self._ports = ports
        self._default = default_route
        self._looked = float("-inf")
        self._version = -1
        self._homes: dict[int, Home] = {}
        self.held: frozenset[int] = frozenset()
        """Numbers of domains whose route cannot be read: their mail waits until it can."""
        self._keyring: Keyring | None = None
        self.return_paths: ReturnPaths | None = None

    def get(self, number: int) -> Home | None:
        """A domain's home; None for one that was removed."""
        return self._homes.get(number)

    def seal(self, home: Home, kind: Kind, target: Target) -> str:
        """The tracking URL of a target of this domain."""
        assert self._keyring is not None, "nothing is sealed before the first refresh"
        token = self._keyring.seal(target)
        return tracking_url(home.domain, token, kind.value, self._ports.http, self._ports.https)

    async def refresh(self, conn: Connection, *, at_once: bool = False) -> None:
        """Take in what has changed. ``at_once``: look, whenever that was."""
        now = self._clock.monotonic()
        if now - self._looked < LOOK_SECONDS and not at_once:
            return
        version = await roster.version(conn)
        if version == self._version:
            self._looked = now
            return
        snapshot = await roster.read(conn)
        if not snapshot.keys:  # a new installation, and nobody else was here first
            await keys.create_first(conn, self._vault)
            snapshot = await roster.read(conn)
        signers = await self._signers(conn, snapshot)
        own_routes = await routes.routes(conn, self._vault)
        limits = await routes.limits(conn)
        self._homes = self._built(snapshot, signers, own_routes, limits)
        self._keyring = snapshot.keyring(self._vault)
        self.return_paths = return_paths(snapshot, self._vault)
        self._version, self._looked = snapshot.version, now

    async def _signers(self, conn: Connection, snapshot: Snapshot) -> dict[int, Signer]:
        """One for each domain; a domain from before there were keys gets one now."""
        found = await routes.dkim_keys(conn, self._vault)
        signers = {}
        for domain in snapshot.domains:
            if domain.removed:
                continue
            key = found.get(domain.number)
            if key is None:
                key = await own_key(conn, self._vault, domain.number, self._clock.now_us())
            have = self._homes.get(domain.number)
            if have is not None and have.signer.selector == key.selector:
                signers[domain.number] = have.signer
            else:
                signers[domain.number] = Signer(domain.name, key.selector, key.private)
        return signers

    def _built(
        self,
        snapshot: Snapshot,
        signers: Mapping[int, Signer],
        own_routes: Mapping[int, str],
        limits: Mapping[int, Limits],
    ) -> dict[int, Home]:
        hosts: dict[int, list[str]] = {}
        for host, number in snapshot.hosts.items():
            hosts.setdefault(number, []).append(host)
        homes, held = {}, set()
        for domain in snapshot.domains:
            number = domain.number
            if number not in signers or number not in limits:
                continue
            spelled = own_routes.get(number, self._default)
            try:
                route = None if spelled == SANDBOX else parse_route(spelled)
            except EdgeError as error:  # a newer release may have written what this cannot read
                log.error(
                    "mail waits: a route cannot be read", domain=domain.name, error=str(error)
                )
                held.add(number)
                continue
            homes[number] = Home(
                domain=domain,
                footers=snapshot.footers_of(domain),
                hosts=tuple(hosts.get(number, ())),
                route=route,
                signer=signers[number],
                limits=limits[number],
            )
        self.held = frozenset(held)
        return homes


async def own_key(conn: Connection, vault: Vault, domain: int, now_us: int) -> DkimKey:
    """The DKIM key of a domain, made if there is none yet."""
    found = await routes.dkim_keys(conn, vault, [domain])
    if domain in found:
        return found[domain]
    made = DkimKey(SELECTOR, await asyncio.to_thread(generate_key))
    return await routes.add_dkim_key(conn, vault, domain, made, now_us)
