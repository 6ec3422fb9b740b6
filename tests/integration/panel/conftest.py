"""These tests run on the event loop that workers run on."""

import asyncio
from collections.abc import Callable

import argon2
import pytest
import uvloop

from edge.store import panel_users


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Hook of pytest-asyncio: every asynchronous test in this directory runs on uvloop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def light_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """argon2 with small parameters: these tests are not about how much a guess costs."""
    light = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    monkeypatch.setattr(panel_users, "_hasher", light)
    monkeypatch.setattr(panel_users, "_DUMMY", light.hash("nobody has this password"))
