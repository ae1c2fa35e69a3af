"""The config of several sets."""

from __future__ import annotations

import re
from typing import Any

import pytest

from server.config import ConfigError, load, resolve
from server.config.text import show

TWO = {"stores.postgres_sets": ("postgresql://me:sesame@db1/hongbao",)}


def loaded(**more: Any) -> object:
    """The config of a server with two sets and these values."""
    return load(None, {**TWO, **{key.replace("__", "."): value for key, value in more.items()}}, environment={})


def test_passwords_of_further_sets_are_masked() -> None:
    text = show(resolve(None, TWO, environment={}))
    assert 'postgres_sets = ["postgresql://me:***@db1/hongbao"]' in text
    assert "sesame" not in text


def test_payments_may_be_in_several_sets() -> None:
    loaded(manual__enabled=True)


def test_new_users_go_to_sets_that_there_are() -> None:
    loaded(stores__postgres_new_users=(0, 1))
    with pytest.raises(ConfigError, match="the sets are 0 to 1"):
        loaded(stores__postgres_new_users=(2,))


def test_address_of_a_set_is_a_url() -> None:
    with pytest.raises(ConfigError, match=re.escape("must be a list of up to 63 of")):
        load(None, {"stores.postgres_sets": ("db1",)}, environment={})
