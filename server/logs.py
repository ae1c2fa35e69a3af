"""Logs: one event per line on stderr, as JSON or as text; no event per request at `info` or above.

An event has a name, a level, a time, and fields. An event about a connection has its number, as `hongbao
connections` shows it, its user and the request: `connection`, `user_id`, `seq`. A log record of a library is the
event `library_log`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from contextlib import suppress
from io import TextIOBase
from typing import Any, Final, TextIO, cast

import structlog

LOG = structlog.get_logger()
# For events that are written at every level: the changes that operators make, that of the level included.
ALWAYS = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET))
HEAD: Final = ("timestamp", "level", "event")
FRAMES_MAX: Final = 20
_is_debug = False
_fields: dict[str, int] = {}  # of every event


def configure(level: str, form: str = "auto", worker: int | None = None) -> None:
    """Write events from `level` (debug, info, warning, error) upward, in the format `form` (auto, json, text).

    `worker`: the number that every event of this process has from now on. May be called again at any time.
    """
    if worker is not None:
        _fields["worker"] = worker
    to_terminal = sys.stderr.isatty()
    as_text = form == "text" or (form == "auto" and to_terminal)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            *([_add_fields] if _fields else []),
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(_text(colors=to_terminal) if as_text else _json()),
        ],
        # a line by one write: workers share a log, and `print` would write its end apart
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Stderr())),
    )
    set_level(level)
    logging.captureWarnings(True)
    root = logging.getLogger()
    if not any(isinstance(handler, _LibraryHandler) for handler in root.handlers):
        root.addHandler(_LibraryHandler(logging.WARNING))


def set_level(level: str) -> None:
    """Write events from `level` upward; the format stays."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))
    global _is_debug
    _is_debug = number <= logging.DEBUG


def debug(event: str, **fields: object) -> None:
    """Write an event at the level debug; at other levels a call costs almost nothing."""
    if _is_debug:
        LOG.debug(event, **fields)


def _add_fields(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Which process writes."""
    event.update(_fields)
    return event


def _text(colors: bool) -> list[Any]:
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]


def _json() -> list[Any]:
    # without the locals of each frame: keys and tokens are among them
    trace = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=FRAMES_MAX)
    return [
        structlog.processors.ExceptionRenderer(trace),
        _head_first,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _head_first(_: Any, __: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Time, level and name first: a line is read from the left."""
    return {name: event[name] for name in HEAD} | dict(event)


class _LibraryHandler(logging.Handler):
    """Turns log records of libraries into events, the last resort of asyncio included."""

    def emit(self, record: logging.LogRecord) -> None:
        level = min(record.levelno // 10 * 10, logging.CRITICAL)
        LOG.log(
            level, "library_log", library=record.name, message=record.getMessage(), exc_info=record.exc_info or None
        )


class _Stderr(TextIOBase):
    """Standard error without errors: a full disk or a closed pipe must not end the server."""

    def write(self, text: str, /) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
