"""One statement of a document of the customer, and the tests that show that the system does it."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """`place`: document and chapter. `tests`: each as FILE::NAME below tests/, without `.py` and `test_`."""

    place: str
    says: str
    tests: tuple[str, ...]
    but: str = ""  # where the project does otherwise, and why

    @property
    def nodes(self) -> tuple[str, ...]:
        """The tests as pytest names them, without parameters."""
        return tuple(_node(one) for one in self.tests)


def _node(test: str) -> str:
    file, _, name = test.partition("::")
    folder, _, module = file.rpartition("/")
    return f"tests/{folder}/test_{module}.py::test_{name}"
