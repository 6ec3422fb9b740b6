"""These tests run on the event loop that workers run on."""

import asyncio
from collections.abc import Callable

import uvloop


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Hook of pytest-asyncio: every asynchronous test in this directory runs on uvloop."""
    return {"uvloop": uvloop.new_event_loop}
