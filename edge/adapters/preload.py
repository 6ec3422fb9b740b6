"""Reads, while still root, what would otherwise be read when it is first needed.

A child that gave up root may be unable to read the installation any more: a clone, or a Python, in
a home directory of mode 0700. Everything of ours is imported at the top of its module; this is the
rest: modules that the standard library and others import inside functions, and files that are read
at a first call.
"""

import asyncio
from importlib import import_module
from typing import Final

import uvloop

from edge.panel import rendering
from edge.store import migrate

LAZY: Final = (
    "_strptime",  # time.strptime
    "concurrent.futures.thread",  # asyncio.to_thread, loop.getaddrinfo
    "encodings.ascii",
    "encodings.idna",  # socket.getaddrinfo with a name
    "encodings.latin_1",
    "encodings.punycode",
    "encodings.unicode_escape",
    "encodings.utf_8_sig",
    # Charsets of messages that are looked at.
    "encodings.cp1250",
    "encodings.cp1251",
    "encodings.cp1252",
    "encodings.iso2022_jp",
    "encodings.iso8859_1",
    "encodings.iso8859_2",
    "encodings.iso8859_15",
    "encodings.koi8_r",
    "stringprep",
    "traceback",
    "unicodedata",
)


FOR_INGEST: Final = (
    "ua_parser.regex",
    "ua_parser_builtins",
    "ua_parser_builtins.matchers",
)
"""User agent rules: megabytes that no other child needs in its memory."""


def for_ingest() -> None:
    """The same for what only ingest needs; called in that child before it gives up root."""
    for name in FOR_INGEST:
        import_module(name)


def everything() -> None:
    """Import the lazy ones, read migrations and templates, run each kind of event loop once."""
    for name in LAZY:
        import_module(name)
    migrate.available()
    rendering.compile_all()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.sleep(0))
