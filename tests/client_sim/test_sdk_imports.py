"""The public names of the SDK, and the old module paths that work for one version more."""

from __future__ import annotations

import importlib
import inspect
import sys

import pytest

from client_sim import sdk
from client_sim.sdk import errors


def test_sdk_exports_every_public_name_once() -> None:
    assert len(set(sdk.__all__)) == len(sdk.__all__)
    assert [name for name in sdk.__all__ if not hasattr(sdk, name)] == []


def test_sdk_exports_every_exception() -> None:
    classes = inspect.getmembers(errors, inspect.isclass)
    assert {name for name, kind in classes if issubclass(kind, errors.ClientError)} <= set(sdk.__all__)


@pytest.mark.parametrize(
    ("module", "name"),
    [("client", "Client"), ("errors", "ClientError"), ("errors", "NotEnoughMoney"), ("pushes", "Reloaded")],
)
def test_old_module_path_warns_and_gives_the_same_object(module: str, name: str) -> None:
    path = f"client_sim.{module}"
    sys.modules.pop(path, None)
    with pytest.warns(DeprecationWarning, match=f"{path} is deprecated"):
        old = importlib.import_module(path)
    assert getattr(old, name) is getattr(sdk, name)
