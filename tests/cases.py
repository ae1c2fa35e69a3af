"""Cases of a test that share what its fixtures have made: a server is started once, not once for each of them.

For pure rules, too, when there are hundreds: to collect, start and report a test takes milliseconds in each worker.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeAlias

Test: TypeAlias = Callable[..., Any]


def each(names: str | tuple[str, ...], cases: Collection[Any]) -> Callable[[Test], Test]:
    """As `pytest.mark.parametrize`, but in one test, for cases that leave nothing behind.

    All cases run; the failure of the test holds that of each case, with its values.
    """
    named = (names,) if isinstance(names, str) else names
    values = [dict(zip(named, (one,) if isinstance(names, str) else one, strict=True)) for one in cases]

    def fold(test: Test) -> Test:
        if inspect.iscoroutinefunction(test):

            @wraps(test)
            async def folded(**fixtures: Any) -> None:
                failures = Failures(len(values))
                for case in values:
                    with failures.of(case):
                        await test(**fixtures, **case)
                failures.tell()
        else:

            @wraps(test)
            def folded(**fixtures: Any) -> None:
                failures = Failures(len(values))
                for case in values:
                    with failures.of(case):
                        test(**fixtures, **case)
                failures.tell()

        signature = inspect.signature(test)
        fixtures = [one for one in signature.parameters.values() if one.name not in named]
        folded.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]
        return folded

    return fold


class Failures:
    """The failures of the cases of one test."""

    def __init__(self, cases: int) -> None:
        self._cases = cases
        self._found: list[Exception] = []

    @contextmanager
    def of(self, case: dict[str, Any]) -> Iterator[None]:
        """Around one case."""
        try:
            yield
        except Exception as failure:
            failure.add_note(f"case: {case}")
            self._found.append(failure)

    def tell(self) -> None:
        """Fail if a case has failed."""
        if self._found:
            raise ExceptionGroup(f"{len(self._found)} of {self._cases} cases failed", self._found)
