"""A refusal of a wrong request names the field that is wrong, wherever in the server it is raised."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

from server.core.refusals import Reason
from tests.structure.measure import modules

# What a client typed or built wrongly. A pass and an invite code are one field each: their refusals say no more.
WRONG: Final = {one.name for one in Reason if one.name.startswith("BAD_")} - {"BAD_PASS", "BAD_INVITE"}
FIELD: Final = re.compile(r"[a-z_]+: ")


def refusals() -> Iterator[tuple[str, str]]:
    """Where a wrong request is refused, and how its detail begins."""
    for module in modules("server"):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "RequestRefused" and node.args:
                reason = ast.unparse(node.args[0])
                if reason.removeprefix("Reason.") in WRONG or module.path == "server/core/limits.py":
                    yield f"{module.path}:{node.lineno}", beginning(node.args[1] if node.args[1:] else None)


def beginning(detail: ast.expr | None) -> str:
    """The literal text at the beginning of a detail; the parameter `field` stands for a name of one."""
    if isinstance(detail, ast.Constant):
        return str(detail.value)
    text = ""
    for part in detail.values if isinstance(detail, ast.JoinedStr) else ():
        if isinstance(part, ast.FormattedValue) and ast.unparse(part.value) != "field":
            break
        text += "field" if isinstance(part, ast.FormattedValue) else str(getattr(part, "value", ""))
    return text


def test_detail_of_a_wrong_request_begins_with_the_field() -> None:
    found = list(refusals())
    assert len(found) > 25
    assert [(place, begins) for place, begins in found if not FIELD.match(begins)] == []
