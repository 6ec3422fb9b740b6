"""Assembly of automatic certificates: the library's manager on our store, settings and tasks.

Every edge with a control child runs it; the leases in Postgres see to it that one order is made for
one need. Orders begin when every living edge has a roster with our account's thumbprint: before
that an authority that asks the wrong edge would find no answer, and count it against the host.
"""

import asyncio
from functools import partial
from typing import Final

import structlog

from certs.acme_client import ExternalAccount
from certs.authority import Authority, Terms
from certs.errors import CertificateError
from certs.host import Host
from certs.manager import Manager, Options
from certs.storage import Gate
from edge.adapters.alarms import Alarms
from edge.adapters.certificate_storage import PostgresStorage
from edge.adapters.child_process import only_one
from edge.clock import Clock
from edge.control import Job
from edge.doctor.gate import Gate as DoctorsGate
from edge.doctor.look import Looker
from edge.lifecycle import Tasks
from edge.model.certificate import DAY
from edge.model.probe import probe_secret
from edge.model.vault import Vault
from edge.observe import metrics
from edge.settings import Settings
from edge.store import authorities, certificates
from edge.store.pool import UNAVAILABLE, Connection, Pool

log = structlog.get_logger()

OPTIONS: Final = Options(idle=1.0)
LOCK: Final = "certificates.lock"
ROSTER_SECONDS: Final = (1.0, 3.0, 8.0)
"""Pauses for which a 404 of our own port may mean that a new host is not known there yet."""
NOTE_SECONDS: Final = 600.0
"""Between two looks at what the authority says of itself; its directory is fetched once a day."""

LAPSED_FOR: Final = 30 * DAY
"""How long the ended certificate of a removed domain is kept."""

_NOT_NOW: Final[tuple[type[Exception], ...]] = (CertificateError, *UNAVAILABLE)
MOST_COUNTED: Final = 10_000
CLOSE_PATIENCE: Final = 3.0

REASONS: Final = frozenset(
    {
        "accountDoesNotExist",
        "alreadyReplaced",
        "alreadyRevoked",
        "badCSR",
        "badNonce",
        "badPublicKey",
        "badRevocationReason",
        "badSignatureAlgorithm",
        "caa",
        "compound",
        "connection",
        "dns",
        "externalAccountRequired",
        "incorrectResponse",
        "invalidContact",
        "invalidProfile",
        "malformed",
        "orderNotReady",
        "rateLimited",
        "rejectedIdentifier",
        "serverInternal",
        "tls",
        "unauthorized",
        "unsupportedContact",
        "unsupportedIdentifier",
        "userActionRequired",
    }
)
"""The problem types of RFC 8555 § 6.7 and its successors; others are counted as ``other``."""


def gate_of(settings: Settings, vault: Vault) -> Gate | None:
    """What stands before each order: DNS and our own port 80; None while certificates are off."""
    if not settings.acme_directory:
        return None
    looker = Looker([(bind.host, bind.port) for bind in settings.resolvers])
    edges, port = [settings.public_host], settings.acme_http_port
    return DoctorsGate(looker, probe_secret(vault), edges, http_port=port, patience=ROSTER_SECONDS)


def terms_of(settings: Settings) -> Terms:
    """What the operator agreed with the authority."""
    external = None
    if settings.acme_eab_kid:
        external = ExternalAccount(settings.acme_eab_kid, settings.acme_eab_hmac_key)
    return Terms(
        settings.acme_directory,
        agree_terms=settings.acme_agree_tos,
        contact=(f"mailto:{settings.acme_email}",) if settings.acme_email else (),
        external=external,
        profile=settings.acme_profile or None,
        ca_file=str(settings.acme_ca_file) if settings.acme_ca_file else None,
        user_agent="tracking-edge",
    )


def _staging_terms(settings: Settings, terms: Terms) -> Terms:
    return Terms(
        settings.staging_directory,
        agree_terms=terms.agree_terms,
        contact=terms.contact,
        ca_file=terms.ca_file,
        user_agent=terms.user_agent,
    )


class CertificateJobs:
    """What one control child does for certificates. ``gate`` None: certificates are off."""

    def __init__(
        self,
        *,
        settings: Settings,
        pool: Pool,
        vault: Vault,
        clock: Clock,
        holder: str,
        gate: Gate | None,
        options: Options = OPTIONS,
    ) -> None:
        self._settings = settings
        self._pool = pool
        self._clock = clock
        self._holder = holder
        self._gate = gate
        self._options = options
        self._storage = PostgresStorage(pool, vault, clock)
        self._alarms = Alarms(settings.alarm_arguments, clock)
        self._counted: dict[str, float] = {}

    def upkeep(self) -> tuple[Job, ...]:
        """Leased jobs. Imported certificates need them, too."""
        return (
            ("certificate ramp", 60.0, self._ramp),
            ("certificate alarms", 600.0, self._alarms.look),
            ("certificates lapsed", 3600.0, self._forget_lapsed),
        )

    async def _ramp(self, conn: Connection) -> None:
        await certificates.ramp(conn, self._clock.now())

    async def _forget_lapsed(self, conn: Connection) -> None:
        await certificates.forget_lapsed(conn, self._clock.now() - LAPSED_FOR)

    async def run(self, tasks: Tasks) -> None:
        """Order and renew until the group stops; returns at once while certificates are off."""
        if self._gate is None:
            return
        terms = terms_of(self._settings)
        authority = Authority(terms, self._storage, self._clock)
        authorities = [authority]
        staging = None
        if self._settings.staging_directory:
            wanted = _staging_terms(self._settings, terms)
            staging = Authority(wanted, self._storage, self._clock, same_key_as=authority)
            authorities.append(staging)
        manager = Manager(
            self._storage,
            authority,
            self._clock,
            self._holder,
            gate=self._gate,
            staging=staging,
            options=self._options,
            changed=self._changed,
        )
        lock = self._settings.data_dir / LOCK
        try:
            async with only_one(lock, tasks) as mine:
                if mine and await self._answers_are_known(authority, tasks):
                    log.info("certificates", directory=terms.directory)
                    note = partial(self._note, authority)
                    tasks.spawn("authority", tasks.every(NOTE_SECONDS, note, "authority"))
                    await manager.run(tasks.owned, tasks.stopping)
        finally:
            for one in authorities:
                # A request under way may outlast us; the process ends with or without it.
                await asyncio.wait([tasks.owned("close", _close(one))], timeout=CLOSE_PATIENCE)

    async def _note(self, authority: Authority) -> None:
        """Keep what the authority says of itself, for the doctor's look at CAA records."""
        try:
            found = (await authority.directory()).caa_identities
            async with self._pool.acquire() as conn:
                known = await authorities.current(conn)
                if known is None or known.identities != found:
                    await authorities.note(conn, authority.terms.directory, found)
        except _NOT_NOW as error:
            log.info("the authority's names are not known", error=str(error) or repr(error))

    async def _answers_are_known(self, authority: Authority, tasks: Tasks) -> bool:
        """Wait until every living edge can answer challenges; False if the group stops first."""
        delay, waited = 0.5, 0.0
        while not tasks.stopping.is_set():
            try:
                await self._storage.answer_as(authority.terms.directory)
                async with self._pool.acquire() as conn:
                    # Whoever had our name before us is dead, since the lock is ours.
                    await certificates.reclaim(conn, self._holder)
                    if not await certificates.edges_behind(conn):
                        return True
                problem = "an edge has not taken up the account's thumbprint yet"
            except _NOT_NOW as error:
                problem = str(error) or repr(error)
            waited += delay
            (log.warning if waited > 10 else log.debug)("no certificates yet", reason=problem)
            await tasks.pause(delay)
            delay = min(delay * 1.5, 10.0)
        return False

    def _changed(self, host: Host) -> None:
        """Count what became of a host that somebody was done with."""
        failure = host.failure
        if failure is None or self._counted.get(host.name) == failure.at:
            return  # all well, or put off with a failure that was counted
        if len(self._counted) >= MOST_COUNTED:
            self._counted.clear()
        self._counted[host.name] = failure.at
        metrics.CERTIFICATE_FAILURES.labels(failure.who, reason_of(failure.problem)).inc()


def reason_of(problem: str | None) -> str:
    """A problem type as a metric's label; the authority must not make up labels."""
    if problem is None:
        return "none"
    last = problem.rpartition(":")[2]
    return last if last in REASONS else "other"


async def _close(authority: Authority) -> None:
    await asyncio.to_thread(authority.close)
