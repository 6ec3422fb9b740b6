"""An edge that sends to a smarthost, and the oracle that says what became of each copy.

The oracle reads the client's books, the smarthost's counts and, in SQL of its own, the queue and
the events. A copy may arrive once more for each time that its row was still held when the process
died, or that the smarthost gave no answer to its final dot: never otherwise. What was held is noted
by a trigger of the tests' own, in the transaction in which the next process takes it up.
"""

import asyncio
import signal
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import asyncpg
import psutil

from tests.crash.harness import Edge, running, wait_for
from tests.crash.senders import Book, Senders, sending
from tests.crash.smarthost import Aside, Smarthost, smarthost
from tests.ports import free_port

KINDS = ("control", "sending", "postgres", "supervisor", "everything")
"""What is killed; the last one is every process of an edge and of its Postgres at once."""

NOTE_WHAT_WAS_HELD = """
CREATE TABLE held_at_deaths (
    recipient text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE FUNCTION note_held() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF current_query() LIKE '%WHERE holder = $1%' THEN  -- taken up, not given back at a stop
        INSERT INTO held_at_deaths (recipient) VALUES (OLD.recipient);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER note_held AFTER UPDATE ON deliveries FOR EACH ROW
WHEN (OLD.holder <> '' AND NEW.holder = '' AND NEW.due IS NOT NULL AND NEW.attempts = OLD.attempts)
EXECUTE FUNCTION note_held();
"""

HELD = "SELECT recipient FROM deliveries WHERE due IS NOT NULL AND holder <> ''"
HASTEN = "UPDATE deliveries SET due = now() WHERE due > now() AND holder = ''"


def processes(edge: Edge) -> list[psutil.Process]:
    """Every process of an edge and of its Postgres, the supervisor first."""
    found: dict[int, psutil.Process] = {}
    for pid in (edge.supervisor, edge.postmaster()):
        try:
            first = psutil.Process(pid) if pid else None
            for process in [first, *first.children(recursive=True)] if first else []:
                found.setdefault(process.pid, process)
        except psutil.NoSuchProcess:
            continue  # it has just died
    return list(found.values())


@dataclass
class Verdict:
    """What became of the copies of some runs; the lists hold what must not be."""

    accepted: int = 0
    arrived: int = 0
    doubtful: int = 0
    doubtful_arrived: int = 0
    duplicated: int = 0
    in_flight: int = 0
    unanswered: int = 0
    held: int = 0
    failed: int = 0
    lost: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    untold: list[str] = field(default_factory=list)

    def figures(self) -> dict[str, int]:
        """Everything as numbers."""
        return {
            "copies_accepted": self.accepted,
            "copies_arrived": self.arrived,
            "copies_in_doubt": self.doubtful,
            "in_doubt_arrived": self.doubtful_arrived,
            "lost": len(self.lost),
            "duplicated": self.duplicated,
            "in_flight_after_the_dot": self.in_flight,
            "dots_not_answered": self.unanswered,
            "held_at_deaths": self.held,
            "duplicated_unexplained": len(self.unexplained),
            "strangers": len(self.strangers),
            "events_wrong": len(self.untold),
            "temporary_failures": self.failed,
        }

    def holds(self) -> bool:
        """Whether the promise was kept."""
        return not any((self.lost, self.unexplained, self.strangers, self.untold))


@dataclass
class Mailing:
    """A running edge, its smarthost, and the books of what was sent through them."""

    edge: Edge
    host: Smarthost
    aside: Aside
    key: str
    smtp_port: int
    books: dict[str, Book] = field(default_factory=dict)

    @contextmanager
    def traffic(
        self, run: str, rate: float = 60.0, *, large: int = 40, smtp: bool = True
    ) -> Iterator[Book]:
        """Messages for the duration of a block, of which the oracle will ask."""
        url = f"http://127.0.0.1:{self.edge.control}/v3/sandbox.localhost/messages"
        senders = Senders(url, self.key, self.smtp_port if smtp else 0, run, rate, large)
        with sending(self.aside, senders) as book:
            self.books[run] = book
            yield book

    def wait_sent(self, seconds: float = 90.0, *, hasten: bool = False) -> None:
        """Wait until nothing is queued; to ``hasten`` is to try at once what should wait long."""

        def sent() -> bool:
            if hasten:
                self.edge.query(
                    "UPDATE deliveries SET due = now() WHERE due > now() AND holder = ''"
                )
            return not self.edge.query("SELECT 1 FROM deliveries WHERE due IS NOT NULL LIMIT 1")

        wait_for(sent, f"an empty queue; the log ends: {self.edge.log()[-3000:]}", seconds)

    def judge(self, *runs: str) -> Verdict:
        """Compare the books of these runs with what arrived and with what Postgres tells."""
        books = [self.books[run] for run in runs]
        taken = [one for book in books for one in book.copies(book.taken)]
        doubtful = [one for book in books for one in book.copies(book.doubtful)]
        arrived = _of(runs, self.host.arrived)
        held = self._held(runs)
        unanswered = _of(runs, self.host.unanswered)
        doubtful_arrived = [one for one in doubtful if arrived[one]]
        verdict = Verdict(
            accepted=len(taken),
            arrived=len(arrived),
            doubtful=len(doubtful),
            doubtful_arrived=len(doubtful_arrived),
            duplicated=arrived.total() - len(arrived),
            in_flight=self._in_flight(held),
            unanswered=unanswered.total(),
            held=sum(map(len, held.values())),
            lost=[one for one in taken if not arrived[one]],
            strangers=list(set(arrived) - set(taken) - set(doubtful)),
        )
        verdict.unexplained = [
            one for one in arrived if arrived[one] > 1 + len(held[one]) + unanswered[one]
        ]
        told = self._told(verdict, runs)
        verdict.untold = [one for one in taken + doubtful_arrived if told.get(one) != (1, 1)]
        verdict.untold += [one for one in doubtful if not arrived[one] and one in told]
        return verdict

    def _held(self, runs: tuple[str, ...]) -> dict[str, list[float]]:
        """When a copy was found held by a process that had died, by recipient."""
        found: dict[str, list[float]] = defaultdict(list)
        for recipient, at in self.edge.query(
            "SELECT recipient, extract(epoch FROM at)::float8 FROM held_at_deaths"
            " WHERE split_part(recipient, '-', 1) = ANY ($1::text[]) ORDER BY at",
            list(runs),
        ):
            found[recipient].append(at)
        return found

    def _in_flight(self, held: dict[str, list[float]]) -> int:
        """How often a copy was held whose dot, answered, had come since it was last set going."""
        count = 0
        for recipient, moments in held.items():
            dots = self.host.dots.get(recipient, [])
            for since, until in zip([0.0, *moments], moments, strict=False):
                count += any(since < dot < until for dot in dots)
        return count

    def _told(self, verdict: Verdict, runs: tuple[str, ...]) -> dict[str, tuple[int, int]]:
        """How often each recipient has the events ``accepted`` and ``delivered``."""
        told = {}
        for recipient, accepted, delivered, failed in self.edge.query(
            "SELECT recipient, count(*) FILTER (WHERE event = 'accepted'),"
            " count(*) FILTER (WHERE event = 'delivered'),"
            " count(*) FILTER (WHERE event = 'failed') FROM events"
            " WHERE split_part(recipient, '-', 1) = ANY ($1::text[]) GROUP BY recipient",
            list(runs),
        ):
            told[recipient] = (accepted, delivered)
            verdict.failed += failed
        return told


def _of(runs: tuple[str, ...], counts: Counter[str]) -> Counter[str]:
    return Counter({one: n for one, n in counts.items() if one.partition("-")[0] in runs})


def check(mailing: Mailing, verdict: Verdict) -> None:
    """The promise, and that nothing is left behind."""
    lists = (verdict.lost, verdict.unexplained, verdict.strangers, verdict.untold)
    assert verdict.holds(), f"{verdict.figures()}: {[found[:5] for found in lists]}"
    left = mailing.edge.query("SELECT 1 FROM deliveries WHERE due IS NOT NULL OR holder <> ''")
    assert not left, "nothing stays in the queue or held"
    ends = {end for child in ("control", "sending") for end in mailing.edge.deaths(child)}
    assert ends <= {0, -signal.SIGKILL}, "nobody died of anything else"
    counted = mailing.edge.command("stats", "verify")
    assert counted.returncode == 0, counted.stdout + counted.stderr


async def _note_what_is_held(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(NOTE_WHAT_WAS_HELD)
    finally:
        await connection.close()


@contextmanager
def mailing(aside: Aside, **settings: str) -> Iterator[Mailing]:
    """A ready edge whose only route is a smarthost that outlives it."""
    with aside.within(smarthost()) as host:
        port = free_port()
        given = {
            "EDGE_ROUTE": host.route,
            "EDGE_WORKERS": "1",
            "EDGE_SMTP_BIND": f"127.0.0.1:{port}",
            "EDGE_SMTP_NETWORKS": "127.0.0.1/32",
        }
        with running(**given | settings) as edge:
            asyncio.run(_note_what_is_held(edge.dsn))
            made = edge.command("apikey", "create", "--name", "crash")
            assert made.returncode == 0, made.stderr
            yield Mailing(edge, host, aside, made.stdout.split()[-1], port)
