"""Programs that a test starts, and that end by themselves."""

from __future__ import annotations

import asyncio

from tests.conftest import PATIENCE_S


async def end_of(process: asyncio.subprocess.Process) -> tuple[int | None, str, str]:
    """Wait for the end of a program: exit code, output, errors. One that does not end in time is killed."""
    try:
        output, errors = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, (output or b"").decode(), (errors or b"").decode()
