"""These tests run on the event loop that workers run on."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from tests.integration.api.node import installed


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Hook of pytest-asyncio: every asynchronous test in this directory runs on uvloop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mailgun.js from npm in a directory of its own, once for the session."""
    return installed(tmp_path_factory.mktemp("node"))
