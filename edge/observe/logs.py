"""One JSON object per line, with bounded and escaped fields.

A log line may carry text that an attacker chose (a user agent, a URL): it is cut to 300 characters
and JSON-escaped, so that it can neither forge a line nor fill a disk. The same message is written
at most :data:`BURST` times a minute; what was held back is counted in the next line. On a terminal
the same fields, escaped as well, are laid out for a person (:func:`for_people`).
"""

import json
import logging
import sys
import time
from collections.abc import MutableMapping
from typing import Any, Final, TextIO, cast

import structlog

MAX_FIELD: Final = 300
BURST: Final = 20
_WINDOW: Final = 60.0


def bound(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
    """Cut long text; escape what JSON leaves readable but terminals obey."""
    for key, value in event.items():
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        if isinstance(value, str):
            limit = 4000 if key == "exception" else MAX_FIELD
            event[key] = value if len(value) <= limit else value[:limit] + "…"
    return event


class Flood:
    """Holds back a message that was written :data:`BURST` times within the last minute."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, int]] = {}

    def allow(self, message: str) -> int | None:
        """Lines held back since the last one written, or None when this one is held back too."""
        now = time.monotonic()
        start, count = self._seen.get(message, (now, 0))
        held = 0
        if now - start > _WINDOW:
            held, start, count = max(0, count - BURST), now, 0
        if len(self._seen) > 1000:
            self._seen.clear()
        self._seen[message] = (start, count + 1)
        return held if count < BURST else None

    def __call__(
        self, _: Any, __: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """As structlog's processor: raises DropEvent for a line that is held back."""
        held = self.allow(str(event.get("event")))
        if held is None:
            raise structlog.DropEvent
        if held:
            event["held_back"] = held
        return event


def for_people(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    """One line for a terminal: time (UTC), who, what, and the other fields as JSON."""
    fields = dict(event)
    time_of_day = str(fields.pop("timestamp", "")).partition("T")[2][:8]
    level = str(fields.pop("level", "info"))
    mark = "" if level in {"debug", "info"} else f"{level.upper()}: "
    what = mark + _escaped(fields.pop("event", ""))
    trace = str(fields.pop("exception", "")).splitlines()
    line = f"{time_of_day} {_escaped(fields.pop('role', '')):<11} {what}"
    given = {name: value for name, value in fields.items() if value is not None}
    line += "".join(f"  {name}={json.dumps(value, default=str)}" for name, value in given.items())
    return "\n".join([line, *(f"    {_escaped(part)}" for part in trace)])


def _escaped(text: Any) -> str:
    """Without what terminals obey."""
    return json.dumps(str(text))[1:-1].replace('\\"', '"')


class Unfailing:
    """A text stream whose writes never raise: no log line is worth an unanswered request.

    Standard error may go to a file on the disk that is full just now. Lines that cannot be written
    are counted in ``lost``, and said once writing works again.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.lost = 0

    def write(self, text: str) -> int:
        """Write if that is possible; the characters taken."""
        try:
            if self.lost:
                self._stream.write(
                    json.dumps({"event": "log lines lost", "lines": self.lost}) + "\n"
                )
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self.lost += 1
        else:
            self.lost = 0
        return len(text)

    def flush(self) -> None:
        """Nothing is held back."""


def configure(level: str, role: str) -> None:
    """Send structlog and the standard library's logging to stderr, as JSON unless a terminal."""
    chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    tail: list[Any] = [
        structlog.processors.format_exc_info,
        bound,
        for_people if sys.stderr.isatty() else structlog.processors.JSONRenderer(ensure_ascii=True),
    ]
    threshold = logging.getLevelNamesMapping()[level.upper()]
    stream = cast(TextIO, Unfailing(sys.stderr))
    structlog.configure(
        processors=[*chain, Flood(), *tail],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(stream),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(role=role)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=chain,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tail],
        )
    )
    flood = Flood()
    handler.addFilter(lambda record: flood.allow(f"{record.name} {record.msg}") is not None)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(threshold, logging.WARNING))
    # It tells with a traceback what a stranger's broken mail makes its detectors stumble over.
    logging.getLogger("flufl.bounce").setLevel(logging.CRITICAL)
