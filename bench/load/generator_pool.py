"""The parent's side of the generators: start them, let them prepare, say go to all, collect what they say."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple, Self, TypeVar

import msgspec

from bench.load import generator
from bench.load.generator import GO, LINE, Done, Failed, Live, Ready, Said
from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec
from server.embedded.run import die_with

LINE_BYTES_MAX: Final = 1 << 30  # an outcome names every claim that was told
GO_LINE: Final = f"{GO}\n".encode()

Awaited = TypeVar("Awaited", Ready, Done, Outcome)


class BenchFailed(Exception):
    """There is no result; the message is one line."""


class Hear(NamedTuple):
    """Who hears what generators say: what is going on, and how many turns of all have ended by now."""

    said: Callable[[str], None]
    live: Callable[[int], None]


class GeneratorPool:
    """Generators as processes. They die with us."""

    def __init__(self, jobs: Sequence[GeneratorSpec], hear: Hear) -> None:
        self._jobs = jobs
        self._hear = hear
        self._children: list[_Child] = []

    async def __aenter__(self) -> Self:
        """Start them all."""
        try:
            for job in self._jobs:
                self._children.append(await _start(job))
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._end()

    async def _end(self) -> None:
        for child in self._children:
            if child.process.returncode is None:
                child.process.kill()
            await child.process.wait()
            child.words.close()

    async def prepared(self) -> None:
        """Returns when every stage is set. Raises BenchFailed."""
        await self._all(Ready)

    def go(self) -> None:
        """Start the clock."""
        for child in self._children:
            assert child.process.stdin is not None
            child.process.stdin.write(GO_LINE)

    async def done(self) -> list[Done]:
        """Returns when the last clock has stopped. Raises BenchFailed."""
        return await self._all(Done)

    async def outcomes(self) -> list[Outcome]:
        """What they measured. Raises BenchFailed."""
        return await self._all(Outcome)

    async def _all(self, kind: type[Awaited]) -> list[Awaited]:
        return await asyncio.gather(*(self._next(child, kind) for child in self._children))

    async def _next(self, child: _Child, kind: type[Awaited]) -> Awaited:
        """The next line of this kind; others on the way to it are passed on."""
        while True:
            match await child.line():
                case Said(text):
                    self._hear.said(text if len(self._children) == 1 else f"generator {child.number}: {text}")
                case Live(completed):
                    child.completed = completed
                    self._hear.live(sum(one.completed for one in self._children))
                case Failed(text):
                    raise BenchFailed(text)
                case line if isinstance(line, kind):
                    return line


class _Child:
    """One generator."""

    def __init__(self, number: int, process: Process, words: Any) -> None:
        self.number = number
        self.process = process
        self.completed = 0
        self.words = words  # the file of its stderr

    async def line(self) -> generator.Line:
        """The next thing it says. Raises BenchFailed when it has ended instead."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if line:
            said: generator.Line = LINE.decode(line)
            return said
        code = await self.process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.words.seek(0)
        words = self.words.read().decode(errors="replace").strip().splitlines() or ["its log is silent"]
        raise BenchFailed(f"generator {self.number} ended by itself ({how}): {words[-1][:300]}")


async def _start(job: GeneratorSpec) -> _Child:
    words = tempfile.TemporaryFile()  # noqa: SIM115  # closed when the child has ended
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        generator.__name__,
        stdin=PIPE,
        stdout=PIPE,
        stderr=words,
        limit=LINE_BYTES_MAX,
        start_new_session=True,  # a Ctrl-C in the terminal is for us
        preexec_fn=die_with(os.getpid(), signal.SIGKILL),
    )
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(job) + b"\n")
    return _Child(job.number, process, words)
