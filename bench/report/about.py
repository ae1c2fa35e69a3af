"""The facts that make a run repeatable: command, commit, versions, machine."""

from __future__ import annotations

import datetime
import os
import platform
import shlex
import subprocess
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil
from redis import asyncio as aioredis
from redis.exceptions import RedisError

from bench.load.target import Target
from server.compiled import finder

TIMEOUT_S = 5.0


async def about(target: Target) -> dict[str, Any]:
    """Everything but the run spec, which is part of the figures. An unknown fact is an empty text."""
    return {
        "command": shlex.join(["hongbao", *sys.argv[1:]]),
        "commit": _commit(),
        "at": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "python": platform.python_version(),
        "modules": finder.state(),
        "uvloop": version("uvloop"),
        "postgres": await _postgres(target.dsn) if target.dsn else "",
        "redis": await _redis(target.redis_url) if target.redis_url else "",
        "cpu": _cpu(),
        "cores": os.cpu_count() or 0,
        "memory_mb": psutil.virtual_memory().total // 1_000_000,
        "kernel": platform.release(),
        "config": target.config,
        "money_unit": msgspec.structs.asdict(target.money),
    }


def _commit() -> str:
    """Short, with `-dirty` behind it if files were changed."""
    git = ("git", "describe", "--always", "--dirty", "--abbrev=7", "--exclude=*")
    with suppress(OSError, subprocess.SubprocessError):
        found = subprocess.run(git, cwd=Path(__file__).parent, capture_output=True, text=True, timeout=TIMEOUT_S)
        return found.stdout.strip()
    return ""


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


async def _postgres(dsn: str) -> str:
    with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection = await asyncpg.connect(dsn, timeout=TIMEOUT_S)
        try:
            return str(await connection.fetchval("SHOW server_version")).split()[0]
        finally:
            await connection.close()
    return ""


async def _redis(url: str) -> str:
    with suppress(OSError, RedisError):
        async with aioredis.Redis.from_url(url, socket_timeout=TIMEOUT_S) as redis:
            info = await redis.info("server")
        return f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
    return ""
