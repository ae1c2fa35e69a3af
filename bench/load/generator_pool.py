"""The parent's side of the generators: start them, let them prepare, start the clock, collect their results."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Sequence
from typing import Any, Final, Self, TypeVar

import msgspec

from bench.load import generator
from bench.load.generator import DECODER, GO, Done, Failed, Note, Progress, Ready
from bench.load.outcome import Outcome
from bench.load.run_spec import GeneratorSpec
from server.embedded.run import die_with

LINE_BYTES_MAX: Final = 1 << 30  # an outcome lists every claim
MESSAGE_MAX: Final = 300  # characters of the last line of a program that failed

Awaited = TypeVar("Awaited", Ready, Done, Outcome)


class BenchFailed(Exception):
    """There is no result; the message is one line."""


async def start_module(module: str, *words: object, **pipes: Any) -> Process:
    """A Python module as a process that ends with this one. Ctrl-C in the terminal does not reach it."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *map(str, words)),
        start_new_session=True,
        preexec_fn=die_with(os.getpid(), signal.SIGKILL),
        **pipes,
    )


def last_line(output: bytes, otherwise: str) -> str:
    """The last line that a program wrote, cut to MESSAGE_MAX."""
    lines = output.decode(errors="replace").strip().splitlines() or [otherwise]
    return lines[-1][:MESSAGE_MAX]


class GeneratorPool:
    """Generators as processes, for the time of an `async with`.

    `on_note` gets the notes of generators, `on_progress` the number of operations that have ended in all of them.
    """

    def __init__(
        self,
        specs: Sequence[GeneratorSpec],
        on_note: Callable[[str], None],
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._specs = specs
        self._on_note = on_note
        self._on_progress = on_progress
        self._children: list[_GeneratorProcess] = []

    async def __aenter__(self) -> Self:
        try:
            for spec in self._specs:
                self._children.append(await _start(spec))
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
            child.stderr.close()

    async def prepared(self) -> None:
        """Wait until every generator is ready. Raises BenchFailed."""
        await self._all(Ready)

    def go(self) -> None:
        for child in self._children:
            assert child.process.stdin is not None
            child.process.stdin.write(f"{GO}\n".encode())

    def pin(self, cores: set[int]) -> None:
        """Let the generators run on these cores only."""
        for child in self._children:
            os.sched_setaffinity(child.process.pid, cores)

    def pause(self) -> None:
        """Stop the generators where they are; what the server sends them waits in their sockets."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for child in self._children:
            if child.process.returncode is None:
                child.process.send_signal(number)

    async def done(self) -> list[Done]:
        """Wait until the last clock has stopped. Raises BenchFailed."""
        return await self._all(Done)

    async def outcomes(self) -> list[Outcome]:
        """The measurements of each generator. Raises BenchFailed."""
        return await self._all(Outcome)

    async def _all(self, kind: type[Awaited]) -> list[Awaited]:
        return await asyncio.gather(*(self._next(child, kind) for child in self._children))

    async def _next(self, child: _GeneratorProcess, kind: type[Awaited]) -> Awaited:
        """The next line of this kind; notes and progress before it go to the callbacks."""
        while True:
            match await child.read_line():
                case Note(text):
                    self._on_note(text if len(self._children) == 1 else f"generator {child.number}: {text}")
                case Progress(completed):
                    child.completed = completed
                    self._on_progress(sum(one.completed for one in self._children))
                case Failed(text):
                    raise BenchFailed(text)
                case line if isinstance(line, kind):
                    return line


class _GeneratorProcess:
    def __init__(self, number: int, process: Process, stderr: Any) -> None:
        self.number = number
        self.process = process
        self.stderr = stderr  # a file
        self.completed = 0

    async def read_line(self) -> generator.GeneratorLine:
        """The next line. Raises BenchFailed if the process has ended instead."""
        assert self.process.stdout is not None
        if line := await self.process.stdout.readline():
            decoded: generator.GeneratorLine = DECODER.decode(line)
            return decoded
        code = await self.process.wait()
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.stderr.seek(0)
        message = last_line(self.stderr.read(), "its log is empty")
        raise BenchFailed(f"generator {self.number} ended by itself ({how}): {message}")


async def _start(spec: GeneratorSpec) -> _GeneratorProcess:
    stderr = tempfile.TemporaryFile()  # noqa: SIM115  # closed after the process has ended
    process = await start_module(generator.__name__, stdin=PIPE, stdout=PIPE, stderr=stderr, limit=LINE_BYTES_MAX)
    assert process.stdin is not None
    process.stdin.write(msgspec.json.encode(spec) + b"\n")
    return _GeneratorProcess(spec.number, process, stderr)
