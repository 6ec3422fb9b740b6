"""Kills of the webhooks child: each event is posted under one id, never after a recorded 200."""

import json
import os
import platform
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from edge import crash
from edge.model.mailgun_json import event_id
from tests.crash.harness import ARTIFACTS, ROOT, Edge, Load, running, wait_for
from tests.crash.smarthost import Aside
from tests.crash.test_kills import kill_one
from tests.integration.webhooks.receivers import Receiver, receiving

DOMAIN = "sandbox.localhost"
PASSAGES = 20
"""A point is armed for a later passage, so that those who die there also get something done."""


@dataclass
class World:
    """An edge, a receiver of all its events, and what had been recorded as taken at each kill."""

    edge: Edge
    receiver: Receiver
    recorded: dict[str, int] = field(default_factory=dict)

    def posted(self) -> Counter[str]:
        """How often each event came, by id."""
        return Counter(str(post.event["id"]) for post in list(self.receiver.posts))

    def taken(self) -> set[str]:
        """Ids of the events whose 200 is recorded."""
        rows = self.edge.query("SELECT event FROM webhook_deliveries WHERE outcome = 'taken'")
        return {event_id(row["event"]) for row in rows}

    def note_taken(self) -> None:
        """Remember how often what is recorded as taken has come until now."""
        taken = self.taken()  # first: what is recorded has come already
        posted = self.posted()
        for one in taken - self.recorded.keys():
            self.recorded[one] = posted[one]

    def kill(self) -> None:
        """SIGKILL the child in mid-traffic."""
        kill_one(self.edge, "webhooks")

    def wait_taken(self, seconds: float = 120.0) -> None:
        """Wait until nothing is queued any more."""
        left = "SELECT count(*) FROM webhook_deliveries WHERE due IS NOT NULL"
        self.edge.wait_ready()
        self.edge.wait_drained()
        wait_for(lambda: self.edge.query(left)[0][0] == 0, "an empty webhook queue", seconds)

    def judge(self) -> dict[str, object]:
        """Hold what came against what is stored; the figures of it."""
        rows = self.edge.query("SELECT id FROM events")
        stored = {event_id(row["id"]) for row in rows}
        posted = self.posted()
        figures: dict[str, object] = {
            "events": len(stored),
            "posts": posted.total(),
            "lost": len(stored - posted.keys()),
            "strange": len(posted.keys() - stored),
            "posted_again": sum(count > 1 for count in posted.values()),
            "after_recorded": sum(posted[one] > count for one, count in self.recorded.items()),
        }
        tokens = Counter(
            (post.event["id"], post.signature["token"]) for post in self.receiver.posts
        )
        figures["tokens_of_an_event"] = max(Counter(one for one, _ in tokens).values())
        print(json.dumps(figures), flush=True)
        assert figures["lost"] == 0, "each stored event is posted at least once"
        assert figures["strange"] == 0, "under its own id"
        assert figures["after_recorded"] == 0, "never after a recorded 200"
        assert figures["tokens_of_an_event"] == 1, "with one token"
        return figures


@contextmanager
def hooked() -> Iterator[World]:
    """A ready edge whose events all go to a receiver."""
    aside = Aside()
    settings = {"EDGE_WEBHOOK_ALLOW_NETWORKS": "127.0.0.0/8"}
    with aside.open(), aside.within(receiving()) as receiver, running(**settings) as edge:
        done = edge.command("webhook", "add", DOMAIN, f"{receiver.url}/brief/x")
        assert done.returncode == 0, done.stderr
        yield World(edge, receiver)


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One edge for the short forms."""
    with hooked() as made:
        yield made


def kill_all(world: World, times: int, *, show: int = 0) -> None:
    """Kill the child again and again, each time after it has posted for a while."""
    for number in range(1, times + 1):
        before = len(world.receiver.posts)
        wait_for(lambda: len(world.receiver.posts) > before + 20, "traffic", 60.0)  # noqa: B023 - called before the next turn
        time.sleep(random.uniform(0.0, 0.3))
        world.note_taken()
        world.kill()
        if show and number % show == 0:
            print(f"{number} kills", flush=True)


@pytest.mark.timeout(240)
def test_each_event_is_posted_and_never_after_a_recorded_200(world: World) -> None:
    """The child is killed in mid-traffic; then once more when all is done, and nothing comes."""
    with Load(world.edge, "hooks", rate=150.0):
        kill_all(world, 4)
    world.wait_taken()
    world.note_taken()
    before = len(world.receiver.posts)
    world.kill()
    wait_for(lambda: world.edge.pids("webhooks"), "a successor")
    time.sleep(1.5)
    assert len(world.receiver.posts) == before
    assert int(str(world.judge()["events"])) > 100, "there was traffic to speak of"


def fire(world: World, name: str, times: int) -> None:
    """Traffic with one point armed until it fired so often."""
    world.edge.stop()
    world.edge.start(EDGE_CRASH_AT=f"{name}:{PASSAGES}")
    world.edge.wait_ready()
    before = world.edge.deaths("webhooks").count(-signal.SIGKILL)
    with Load(world.edge, name.replace("-", ""), rate=150.0):
        wait_for(
            lambda: world.edge.deaths("webhooks").count(-signal.SIGKILL) >= before + times,
            f"{name} to fire {times} times",
            60.0 + 15.0 * times,
        )
        world.note_taken()


def run_points(world: World, times: int) -> dict[str, object]:
    """Fire every point, then run unarmed and judge."""
    for name in crash.WEBHOOK_POINTS:
        fire(world, name, times)
    world.edge.stop()
    world.edge.start()
    world.wait_taken()
    return world.judge()


def test_every_point_of_webhooks_is_described() -> None:
    """Each has a row on the operator's page."""
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8").partition("## Webhooks")[2]
    named = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `webhook")]
    assert tuple(named) == crash.WEBHOOK_POINTS


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_soak_of_webhooks(capsys: pytest.CaptureFixture[str]) -> None:
    """A hundred kills in mid-traffic, and each crash point three times; figures are printed."""
    with capsys.disabled(), hooked() as world:
        begun = time.monotonic()
        with Load(world.edge, "hooks", rate=150.0):
            kill_all(world, 100, show=10)
        world.wait_taken(300.0)
        figures = world.judge() | {"kills": 100, "points_times": 3}
        run_points(world, 3)
        line = json.dumps(
            {
                "test": "webhooks",
                "date": time.strftime("%Y-%m-%d", time.gmtime()),
                "machine": f"{platform.machine()}, {os.cpu_count()} cores",
                **figures,
                "seconds": round(time.monotonic() - begun),
            }
        )
        print(line, flush=True)
        ARTIFACTS.mkdir(exist_ok=True)
        (ARTIFACTS / "soak-webhooks.json").write_text(line + "\n")
