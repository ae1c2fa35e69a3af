"""Rows of statements in the order of the numbers that they name, for the match; on the disk if they are many.

Two sorts: by the bank_ref, to count the rows before each that have the same one, then by the number.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from types import TracebackType
from typing import Final, Self

from server.core.reconciliation.match import PlacedRow
from server.core.reconciliation.statement_file import BankLine, parse_line, payment_number
from server.services.reconciliation.disk_sort import RUN_BYTES, SortedLines

NUMBER_DIGITS: Final = 19


class PlacedRows:
    """Collects rows, then gives them in order, as often as one iterates. Raises OSError if the disk is full."""

    def __init__(self, run_bytes: int = RUN_BYTES) -> None:
        self._run_bytes = run_bytes
        self._by_ref, self._by_number = SortedLines(run_bytes), SortedLines(run_bytes)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._by_ref.close()
        self._by_number.close()

    def add(self, row: BankLine, text: str) -> None:
        """One more row; `text`: its line in the file."""
        # no field has a space, which comes before all that they have: a reference stands before those it begins
        self._by_ref.add(f"{row.bank_ref} {row.day} {row.line:09} {text}\n".encode())

    async def place(self, breathe: Callable[[int], Awaitable[None]]) -> None:
        """All rows are there: sort them. `breathe` is awaited with the count of each one."""
        before, same_refs = b"", 0
        for count, line in enumerate(self._by_ref):
            ref, day, place, text = line.split(b" ")
            same_refs = same_refs + 1 if ref == before else 0
            before = ref
            number = payment_number(text.split(b",", 3)[2].decode()) or 0
            self._by_number.add(b"%019d %s %s %d %s" % (number, day, place, same_refs, text))
            await breathe(count)
        self._by_ref.close()

    def numbers(self) -> Iterator[int]:
        """The numbers of ours that rows name, each once, in order."""
        before = 0
        for line in self._by_number:
            number = int(line[:NUMBER_DIGITS])
            if number != before:
                before = number
                yield number

    def __iter__(self) -> Iterator[PlacedRow]:
        for line in self._by_number:
            number, day, _, same_refs, text = line.decode().rstrip("\n").split(" ")
            row = parse_line(date.fromisoformat(day), text)
            yield PlacedRow(int(number) or None, int(same_refs), row)
