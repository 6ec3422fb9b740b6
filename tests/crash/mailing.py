"""An edge that sends to a smarthost, the inquest after each death of it, and the oracle.

The oracle reads the client's books, the smarthost's counts and, in SQL of its own, the queue and
the events. A copy may arrive once more for each time that its final dot had been sent and its row
was still held when the process died, or the smarthost gave no answer to the dot: never otherwise.
"""

import fcntl
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from tests.crash.harness import Edge, running, wait_for
from tests.crash.senders import Book, Senders, sending
from tests.crash.smarthost import PATIENCE, Aside, Smarthost, smarthost

KINDS = ("control", "sending", "postgres", "supervisor", "everything")
"""What is killed; the last one is every process of an edge and of its Postgres at once."""

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


class Coroner:
    """Learns at each death of the sending process what it held, before its successor begins.

    Only one process of a data directory sends, by a lock on a file. The coroner waits for the same
    lock, and so has it at the moment of death: it sees which copies were held, and which of them
    the smarthost had taken since the death before, and only then lets the successor in.
    """

    def __init__(self, edge: Edge, host: Smarthost) -> None:
        self.deaths = 0
        self.held: Counter[str] = Counter()
        self.in_flight: Counter[str] = Counter()
        self.closing = False
        self._edge = edge
        self._host = host
        self._seen: Counter[str] = Counter()
        self._path = edge.data_dir / "sending.lock"
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin; the edge sends by now or will soon."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, after ``closing`` was set and the edge has stopped."""
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        while not self.closing:
            if not self._path.exists() or self._is_free():
                time.sleep(0.02)
                continue
            descriptor = os.open(self._path, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                self._look()
            finally:
                os.close(descriptor)

    def _is_free(self) -> bool:
        """Whether nobody sends: then there is no death to wait for yet."""
        descriptor = os.open(self._path, os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(descriptor)

    def _look(self) -> None:
        # What the dead one had written is still on its way until its connections have ended.
        wait_for(lambda: self.closing or not self._host.connected, "the smarthost to be left alone")
        while not self.closing:
            try:
                held = {row[0] for row in self._edge.query(HELD)}
            except Exception:
                time.sleep(0.05)  # Postgres died too; the successor waits as well
                continue
            answered = self._host.arrived - self._host.unanswered
            self.deaths += 1
            self.held.update(held)
            self.in_flight.update(one for one in held if answered[one] > self._seen[one])
            self._seen = answered
            return


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
    coroner: Coroner
    aside: Aside
    key: str
    books: dict[str, Book] = field(default_factory=dict)

    @contextmanager
    def traffic(self, run: str, rate: float = 60.0, *, large: int = 40) -> Iterator[Book]:
        """Messages for the duration of a block, of which the oracle will ask."""
        url = f"http://127.0.0.1:{self.edge.control}/v3/sandbox.localhost/messages"
        with sending(self.aside, Senders(url, self.key, run, rate, large)) as book:
            self.books[run] = book
            yield book

    def inquest(self, deaths: int) -> None:
        """Wait until so many deaths of the sending process were looked into."""
        wait_for(lambda: self.coroner.deaths >= deaths, f"{deaths} inquests", 60.0)

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
        in_flight = _of(runs, self.coroner.in_flight)
        unanswered = _of(runs, self.host.unanswered)
        doubtful_arrived = [one for one in doubtful if arrived[one]]
        verdict = Verdict(
            accepted=len(taken),
            arrived=len(arrived),
            doubtful=len(doubtful),
            doubtful_arrived=len(doubtful_arrived),
            duplicated=arrived.total() - len(arrived),
            in_flight=in_flight.total(),
            unanswered=unanswered.total(),
            held=_of(runs, self.coroner.held).total(),
            lost=[one for one in taken if not arrived[one]],
            strangers=list(set(arrived) - set(taken) - set(doubtful)),
        )
        verdict.unexplained = [
            one for one in arrived if arrived[one] > 1 + in_flight[one] + unanswered[one]
        ]
        told = self._told(verdict, runs)
        verdict.untold = [one for one in taken + doubtful_arrived if told.get(one) != (1, 1)]
        verdict.untold += [one for one in doubtful if not arrived[one] and one in told]
        return verdict

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


@contextmanager
def mailing(aside: Aside, **settings: str) -> Iterator[Mailing]:
    """A ready edge whose only route is a smarthost that outlives it."""
    with aside.within(smarthost()) as host:
        coroner = None
        try:
            given = {"EDGE_ROUTE": host.route, "EDGE_WORKERS": "1"} | settings
            with running(**given) as edge:
                made = edge.command("apikey", "create", "--name", "crash")
                assert made.returncode == 0, made.stderr
                coroner = Coroner(edge, host)
                coroner.start()
                try:
                    yield Mailing(edge, host, coroner, aside, made.stdout.split()[-1])
                finally:
                    coroner.closing = True
        finally:
            if coroner is not None:
                coroner.join()
