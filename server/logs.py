"""Logs: one event a line on stderr, as JSON or to be read by people; nothing per request at `info` or above.

An event has a name, a level, a time, and fields. What is about a connection names it by the number that `hongbao
connections` shows, its user, and the request: `connection`, `user_id`, `seq`. What libraries have to say is an
event, too: `library_says`.
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
# For what has to leave a trace, whatever the level is: what operators change, the level itself among it.
ALWAYS = structlog.wrap_logger(None, wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET))
HEAD: Final = ("timestamp", "level", "event")
FRAMES_MAX: Final = 20
_debugs = False


def configure(level: str, form: str = "auto") -> None:
    """Write events from `level` (debug, info, warning, error) upward, as `form` (auto, json, text) says.

    May be called again: events from then on are written so.
    """
    to_terminal = sys.stderr.isatty()
    as_text = form == "text" or (form == "auto" and to_terminal)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *(_text(colors=to_terminal) if as_text else _json()),
        ],
        logger_factory=structlog.PrintLoggerFactory(cast("TextIO", _Stderr())),
    )
    set_level(level)
    logging.captureWarnings(True)
    root = logging.getLogger()
    if not any(isinstance(handler, _Libraries) for handler in root.handlers):
        root.addHandler(_Libraries(logging.WARNING))


def set_level(level: str) -> None:
    """Write events from `level` upward, in the form they have."""
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(number))
    global _debugs
    _debugs = number <= logging.DEBUG


def debug(event: str, **fields: object) -> None:
    """Write what happens to one of many, if that is asked for; if not, it costs next to nothing."""
    if _debugs:
        LOG.debug(event, **fields)


def _text(colors: bool) -> list[Any]:
    return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)]


def _json() -> list[Any]:
    # without the locals of each frame: there are keys and tokens among them
    trace = structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=FRAMES_MAX)
    return [
        structlog.processors.ExceptionRenderer(trace),
        _head_first,
        structlog.processors.JSONRenderer(ensure_ascii=False),
    ]


def _head_first(_: Any, __: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """When and what, then the rest: a line is read from its left."""
    return {name: event[name] for name in HEAD} | dict(event)


class _Libraries(logging.Handler):
    """Makes one of our events of what a library logs, asyncio's own last resort included."""

    def emit(self, record: logging.LogRecord) -> None:
        level = min(record.levelno // 10 * 10, logging.CRITICAL)
        LOG.log(
            level, "library_says", library=record.name, says=record.getMessage(), exc_info=record.exc_info or None
        )


class _Stderr(TextIOBase):
    """Standard error, whatever becomes of it: a full disk or a reader that has gone must not end the server."""

    def write(self, text: str, /) -> int:
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            sys.stderr.flush()
