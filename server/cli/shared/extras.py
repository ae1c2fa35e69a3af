"""Which extra of the package a command needs, said in one line when it is not installed."""

from __future__ import annotations

from typing import Final

# The modules that the base installation, which is the SDK, does not have: by the extra that installs them.
EXTRAS: Final = {
    "aiohttp": "server",
    "argon2": "server",
    "asyncpg": "server",
    "cryptography": "server",
    "cyclopts": "server",
    "joserfc": "server",
    "prometheus_client": "server",
    "psutil": "server",
    "redis": "server",
    "rich": "server",
    "rule_engine": "server",
    "structlog": "server",
    "uvloop": "server",
    "nats": "nats",
    "duckdb": "analysis",
    "hdrh": "demo",
    "segno": "demo",
    "textual": "demo",
}


def missing_extra(error: ImportError) -> str:
    """Which extra to install. Raises the error again if no extra would help."""
    cause: BaseException | None = error
    while cause is not None:
        name = (cause.name or "").partition(".")[0] if isinstance(cause, ModuleNotFoundError) else ""
        if name in EXTRAS:
            return f"this command needs the module {name}: pip install 'hongbao[{EXTRAS[name]}]'"
        cause = cause.__cause__
    raise error
