"""Every metric, in one table.

The objects are made at the first use of a name (``metrics.REQUESTS.labels(...)``), not at import:
the supervisor first has to say, with :func:`share`, in which directory all processes of this
machine put their numbers together. So use ``metrics.NAME`` inside functions, never
``from edge.observe.metrics import NAME``. A command that shares nothing counts for itself.

The hot path does not call in here: it counts in plain integers, which are added once a second.
"""

import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    generate_latest,
    multiprocess,
    values,
)
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.registry import Collector

REQUESTS: Counter
RECORDS_WRITTEN: Counter
RECORDS_DROPPED: Counter
REPEATS_COLLAPSED: Counter
CONNECTIONS_OPEN: Gauge
CONNECTIONS_REFUSED: Counter
CERTIFICATES_KNOWN: Gauge
CERTIFICATES_FAULTY: Gauge
CERTIFICATE_LOADS: Counter
NAMES_REFUSED: Counter
SPOOL_BYTES: Gauge
SPOOL_OLDEST: Gauge
DRAIN_BATCHES: Counter
DRAIN_EVENTS: Counter
DRAIN_FENCED: Counter
DRAIN_LAG: Gauge
QUARANTINED: Counter
EVENTS: Counter
UNSUBSCRIBES_IGNORED: Counter
POSTGRES_UP: Gauge
ROSTER_VERSION: Gauge
CHILD_RESTARTS: Counter
CERTIFICATES_STORED: Counter
CERTIFICATE_FAILURES: Counter
CERTIFICATE_ALARMS: Counter
CERTIFICATE_FAULTS: Gauge
SUBMISSIONS: Counter
SUBMITTING: Gauge
RETURNS: Counter
RETURNS_REFUSED: Counter
RETURNS_CONNECTIONS: Gauge
MESSAGES_ACCEPTED: Counter
TAGS_DROPPED: Counter
DELIVERIES: Counter
DELIVERIES_RECLAIMED: Counter
DELIVERIES_FENCED: Counter
SENDING_IN_FLIGHT: Gauge
QUEUE_LENGTH: Gauge
API_LIMITED: Counter
WEBHOOK_ATTEMPTS: Counter
WEBHOOKS_RECLAIMED: Counter
WEBHOOKS_FENCED: Counter
WEBHOOKS_IN_FLIGHT: Gauge
WEBHOOK_QUEUE: Gauge
WEBHOOK_OLDEST: Gauge
WEBHOOK_BREAKERS: Gauge


class Spec(msgspec.Struct, frozen=True):
    """One metric; counters are exposed with ``_total`` behind their name."""

    kind: type[Counter] | type[Gauge]
    name: str
    text: str
    labels: tuple[str, ...] = ()
    mode: Literal["livemostrecent", "livesum", "livemax"] = "livemostrecent"


SPECS: Final = {
    "REQUESTS": Spec(
        Counter, "edge_requests", "Requests to tracking hostnames.", ("act", "answer")
    ),
    "RECORDS_WRITTEN": Spec(Counter, "edge_records_written", "Records written to the spool."),
    "RECORDS_DROPPED": Spec(
        Counter,
        "edge_records_dropped",
        "Requests that were answered and could not be recorded.",
        ("reason",),
    ),
    "REPEATS_COLLAPSED": Spec(
        Counter, "edge_repeats_collapsed", "Requests above the repeat limit, counted together."
    ),
    "CONNECTIONS_OPEN": Spec(
        Gauge, "edge_connections_open", "Open connections of the tracking workers.", (), "livesum"
    ),
    "CONNECTIONS_REFUSED": Spec(
        Counter, "edge_connections_refused", "Connections closed at once.", ("reason",)
    ),
    "CERTIFICATES_KNOWN": Spec(
        Gauge, "edge_certificates_known", "Hosts with a certificate file.", (), "livemax"
    ),
    "CERTIFICATES_FAULTY": Spec(
        Gauge,
        "edge_certificates_faulty",
        "Certificate files that are not served as they stand.",
        (),
        "livemax",
    ),
    "CERTIFICATE_LOADS": Spec(
        Counter, "edge_certificate_loads", "Certificates read because a handshake wanted them."
    ),
    "NAMES_REFUSED": Spec(
        Counter, "edge_names_refused", "Handshakes for a name without a certificate here."
    ),
    "SPOOL_BYTES": Spec(Gauge, "edge_spool_bytes", "Bytes in the spool's segments."),
    "SPOOL_OLDEST": Spec(
        Gauge, "edge_spool_oldest_seconds", "Age of the oldest record not yet in Postgres, seconds."
    ),
    "DRAIN_BATCHES": Spec(Counter, "edge_drain_batches", "Batches committed to Postgres."),
    "DRAIN_EVENTS": Spec(Counter, "edge_drain_events", "Events committed to Postgres."),
    "DRAIN_FENCED": Spec(
        Counter, "edge_drain_fenced", "Batches rolled back because another drain was there first."
    ),
    "DRAIN_LAG": Spec(
        Gauge, "edge_drain_lag_seconds", "Seconds from the newest committed record to its commit."
    ),
    "QUARANTINED": Spec(
        Counter,
        "edge_quarantined",
        "Frames and rows set aside in the spool's quarantine.",
        ("reason",),
    ),
    "EVENTS": Spec(Counter, "edge_events", "Events stored, by bot label.", ("event", "bot")),
    "UNSUBSCRIBES_IGNORED": Spec(
        Counter,
        "edge_unsubscribe_requests_ignored",
        "Unsubscribe requests by GET that were recorded and did not act.",
        ("reason",),
    ),
    "POSTGRES_UP": Spec(Gauge, "edge_postgres_up", "1 if Postgres answered just now."),
    "ROSTER_VERSION": Spec(
        Gauge, "edge_roster_version", "Version of the newest roster in use.", (), "livemax"
    ),
    "CHILD_RESTARTS": Spec(
        Counter, "edge_child_restarts", "Children restarted by the supervisor.", ("child",)
    ),
    "CERTIFICATES_STORED": Spec(
        Counter,
        "edge_certificates_stored",
        "Certificates issued, verified and stored: first ones of a host, and renewals.",
        ("kind",),
    ),
    "CERTIFICATE_FAILURES": Spec(
        Counter,
        "edge_certificate_failures",
        "Tries for a certificate that failed, by who must act and the authority's problem type.",
        ("who", "reason"),
    ),
    "CERTIFICATE_ALARMS": Spec(
        Counter, "edge_certificate_alarms", "Alarms raised about certificates.", ("alarm",)
    ),
    "CERTIFICATE_FAULTS": Spec(
        Gauge,
        "edge_certificate_files_behind",
        "Certificates that this machine could not write or open: full disk, wrong master key.",
    ),
    "API_LIMITED": Spec(
        Counter, "edge_api_limited", "API requests refused for coming too fast.", ("budget",)
    ),
    "MESSAGES_ACCEPTED": Spec(Counter, "edge_messages_accepted", "Messages accepted for sending."),
    "TAGS_DROPPED": Spec(
        Counter, "edge_tags_dropped", "Tags of messages that were over a limit or none at all."
    ),
    "DELIVERIES": Spec(
        Counter,
        "edge_deliveries",
        "Attempts to deliver one copy: delivered, sandboxed, deferred or failed.",
        ("outcome",),
    ),
    "DELIVERIES_RECLAIMED": Spec(
        Counter,
        "edge_deliveries_reclaimed",
        "Copies that a sending process left behind when it died; each may have gone out already.",
    ),
    "DELIVERIES_FENCED": Spec(
        Counter,
        "edge_deliveries_fenced",
        "Outcomes not recorded because the lease had gone to another process.",
    ),
    "SENDING_IN_FLIGHT": Spec(
        Gauge, "edge_sending_in_flight", "Copies being delivered now.", (), "livesum"
    ),
    "QUEUE_LENGTH": Spec(
        Gauge, "edge_queue_deliveries", "Copies waiting to be sent, up to EDGE_QUEUE_LIMIT."
    ),
    "WEBHOOK_ATTEMPTS": Spec(
        Counter,
        "edge_webhook_attempts",
        "Calls of webhooks: taken, rejected, deferred (tried again) or failed.",
        ("result",),
    ),
    "WEBHOOKS_RECLAIMED": Spec(
        Counter,
        "edge_webhooks_reclaimed",
        "Webhook deliveries that a process left behind; each may have been posted already.",
    ),
    "WEBHOOKS_FENCED": Spec(
        Counter,
        "edge_webhooks_fenced",
        "Outcomes of webhooks not recorded because the lease had gone to another process.",
    ),
    "WEBHOOKS_IN_FLIGHT": Spec(
        Gauge, "edge_webhooks_in_flight", "Webhooks being called now.", (), "livesum"
    ),
    "WEBHOOK_QUEUE": Spec(
        Gauge, "edge_webhook_queue", "Webhook deliveries waiting, counted up to 100,000."
    ),
    "WEBHOOK_OLDEST": Spec(
        Gauge,
        "edge_webhook_oldest_due_seconds",
        "For how long the longest due webhook delivery has been due, seconds.",
    ),
    "WEBHOOK_BREAKERS": Spec(
        Gauge, "edge_webhook_breakers_open", "Endpoints that are not called for being down."
    ),
    "SUBMISSIONS": Spec(
        Counter,
        "edge_submissions",
        "Messages over SMTP: accepted, or the reason of a refusal.",
        ("outcome",),
    ),
    "RETURNS": Spec(
        Counter,
        "edge_returns",
        "Mail that came back, by what became of it and what it was.",
        ("outcome", "kind"),
    ),
    "RETURNS_REFUSED": Spec(
        Counter,
        "edge_returns_refused",
        "Commands and mails that the listener for returns refused, by reason.",
        ("reason",),
    ),
    "RETURNS_CONNECTIONS": Spec(
        Gauge, "edge_returns_connections_open", "Open SMTP connections of returns.", (), "livesum"
    ),
    "SUBMITTING": Spec(
        Gauge, "edge_submission_connections_open", "Open SMTP connections.", (), "livesum"
    ),
}

_READ_ATTEMPTS = 20

T = TypeVar("T")

_registry = CollectorRegistry()
_made: dict[str, MetricWrapperBase] = {}
_directory: list[Path] = []


def share(directory: Path) -> None:
    """Keep all numbers from here on in this directory, one file for each process and type.

    Call it before the first use of any metric and before forking; the environment must name the
    directory too (:func:`edge.settings.share_metrics`).
    """
    values.ValueClass = values.MultiProcessValue()  # type: ignore[no-untyped-call]  # not typed there
    _directory[:] = [directory]
    for name in SPECS:
        _make(name)


def _make(name: str) -> MetricWrapperBase:
    if name not in _made:
        spec = SPECS[name]
        if spec.kind is Gauge:
            _made[name] = Gauge(
                spec.name, spec.text, spec.labels, registry=_registry, multiprocess_mode=spec.mode
            )
        else:
            _made[name] = Counter(spec.name, spec.text, spec.labels, registry=_registry)
    return _made[name]


def __getattr__(name: str) -> MetricWrapperBase:
    if name not in SPECS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _make(name)


def _collected() -> CollectorRegistry:
    if not _directory:
        return _registry
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, str(_directory[0]))  # type: ignore[no-untyped-call]  # not typed there
    return registry


def _read(question: Callable[[CollectorRegistry], T]) -> T:
    """Ask all processes' files; again, for a moment, when one is just being made.

    prometheus-client creates a file empty and fills it in later steps, and reads it without a lock:
    a reader in between finds no length, or entries beyond it.
    """
    for _ in range(_READ_ATTEMPTS):
        try:
            return question(_collected())
        except (struct.error, RuntimeError, ValueError):
            time.sleep(0.002)
    return question(_collected())


def render() -> bytes:
    """All processes' numbers in Prometheus' text format."""
    return _read(generate_latest)


class _Family(Collector):
    """One gauge as a collector of its own: for values that are asked for, not kept."""

    def __init__(self, family: GaugeMetricFamily) -> None:
        self._family = family

    def collect(self) -> list[GaugeMetricFamily]:
        """The family."""
        return [self._family]


def render_gauge(name: str, text: str, label: str, values: Iterable[tuple[str, float]]) -> bytes:
    """A gauge whose series come and go, in Prometheus' text format.

    For what lies in the database: numbers that processes share in files can never be taken back.
    """
    family = GaugeMetricFamily(name, text, labels=[label])
    for value, number in values:
        family.add_metric([value], number)
    registry = CollectorRegistry()
    registry.register(_Family(family))
    return generate_latest(registry)


def sample(name: str) -> float | None:
    """The current value of an exposed series without labels; None if no process has set it."""
    return _read(lambda registry: registry.get_sample_value(name))


def forget(pid: int) -> None:
    """Take a dead process out of the gauges that only count the living."""
    if _directory:
        multiprocess.mark_process_dead(pid, str(_directory[0]))  # type: ignore[no-untyped-call]  # not typed there
