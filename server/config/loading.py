"""Loads the config: the command line overrides the environment, which overrides the file; every value is checked.

file          [limits]  shares_max = 100
environment   HONGBAO_LIMITS__SHARES_MAX=100
command line  "limits.shares_max": 100
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, NamedTuple, get_origin

import msgspec

from server.config.flat_values import SECTIONS, TYPES, flat, structured
from server.config.table import ALL_OR_NONE, KEYS, ORDER, TOGETHER
from server.config.values import Config, ConfigError, WrongOption, in_words
from server.core import key_pairs
from server.core.webhooks.addresses import networks_of, why_not_url

ENVIRONMENT_PREFIX: Final = "HONGBAO_"
COMMAND_LINE: Final = "command line"
DEFAULT: Final = "default"


def variable(key: str) -> str:
    """The environment variable of a key."""
    return ENVIRONMENT_PREFIX + key.replace(".", "__").upper()


# Variables with one underscore too few. Many variables begin with our prefix but are not ours (HONGBAO_STORE_USER;
# a cluster announces a service as HONGBAO_SERVER_PORT=tcp://…), so one of these is a mistake only if its value is
# valid for the key.
MISSPELT: Final = {key.replace(".", "_").upper(): key for key in KEYS}


class Resolved(NamedTuple):
    """A checked config, and where each value comes from."""

    config: Config
    origins: dict[str, str]


class Setting(NamedTuple):
    """One value as a source gives it."""

    source: str
    key: str
    value: Any
    is_text: bool  # the source knows only text, so "7788" may be a number


def load(path: Path | None, overrides: Mapping[str, object], environment: Mapping[str, str] = os.environ) -> Config:
    """The config in force. `overrides` is the command line as "section.key": value, None for an absent option.

    Raises ConfigError.
    """
    return resolve(path, overrides, environment).config


def resolve(
    path: Path | None, overrides: Mapping[str, object], environment: Mapping[str, str] = os.environ
) -> Resolved:
    """The config in force, as `load` returns it, and where each value comes from. Raises ConfigError."""
    values, origins = flat(Config()), dict.fromkeys(KEYS, DEFAULT)
    for settings in (_from_file(path), _from_environment(environment), _from_command_line(overrides)):
        for setting in settings:
            values[setting.key], origins[setting.key] = _checked(setting), setting.source
    _check_pairs(values, origins)
    for section in ("host_wallet", "bank"):
        _check_url(section, values, origins)
    _check_key_pairs(values, origins)
    _check_sets(values, origins)
    return Resolved(structured(values), origins)


def _check_pairs(values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    for low, high in ORDER:
        if values[low] > values[high]:
            raise ConfigError(
                f"{low} = {values[low]} ({origins[low]}) must not exceed {high} = {values[high]} ({origins[high]})"
            )
    for one, other in TOGETHER:
        if bool(values[one]) != bool(values[other]):
            given = one if values[one] else other
            raise ConfigError(f"{origins[given]}: {given} is set alone; set both {one} and {other}, or neither")
    set_here = [key for key in ALL_OR_NONE if origins[key] != DEFAULT]
    if set_here and (missing := [key for key in ALL_OR_NONE if key not in set_here]):
        raise ConfigError(
            f"{origins[set_here[0]]}: {' and '.join(set_here)} without {' and '.join(missing)}; "
            f"set all of {', '.join(ALL_OR_NONE)}, or none"
        )


def _check_url(section: str, values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """Money is not asked for in clear text, or from an address inside that the config does not list."""
    key = f"{section}.url"
    address, allowed = values[key], networks_of(values[f"{section}.allow_private"])
    if address and (why := why_not_url(address, allowed, section)):
        raise ConfigError(f"{origins[key]}: {key}: {why}")


def _check_sets(values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """New users go to sets that there are."""
    sets = 1 + len(values["stores.postgres_sets"])
    if sets > 1 and any(number >= sets for number in values["stores.postgres_new_users"]):
        raise ConfigError(
            f"{origins['stores.postgres_new_users']}: stores.postgres_new_users: the sets are 0 to {sets - 1}"
        )


def _check_key_pairs(values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    """Keys are tried here, so that a reload with a wrong one changes nothing."""
    for key, reads in (("bank.keys", key_pairs.signer), ("bank.bank_keys", key_pairs.checker)):
        for serial, text in values[key].items():
            try:
                reads(text)
            except key_pairs.BadKey as error:
                raise ConfigError(f"{origins[key]}: {key}: {serial}: {error}") from None


# --- sources --------------------------------------------------------------------------------------------------


def _from_file(path: Path | None) -> Iterator[Setting]:
    if path is None:
        return
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # invalid TOML and invalid UTF-8 are both a ValueError
        raise ConfigError(f"{path}: {in_words(error)}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply") from error
    for section, table in tables.items():
        if section not in SECTIONS:
            raise _unknown(str(path), section)
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} is a section: write [{section}] and its keys below")
        for key, value in table.items():
            yield Setting(str(path), f"{section}.{key}", value, is_text=False)


def _from_environment(environment: Mapping[str, str]) -> Iterator[Setting]:
    for name, value in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            section, found, key = name.removeprefix(ENVIRONMENT_PREFIX).partition("__")
            source = f"environment variable {name}"
            if found:
                yield Setting(source, f"{section}.{key}".lower(), value, is_text=True)
            elif (meant := MISSPELT.get(section)) and _is_valid(Setting(source, meant, value, is_text=True)):
                raise ConfigError(f"{source}: unknown, did you mean {variable(meant)}?")


def _from_command_line(overrides: Mapping[str, object]) -> Iterator[Setting]:
    for key, value in overrides.items():
        if value is not None:
            yield Setting(COMMAND_LINE, key, value, is_text=True)


# --- checks ---------------------------------------------------------------------------------------------------


def _checked(setting: Setting) -> Any:
    """The value in the type of its key. Raises ConfigError if there is no such key or its rule does not hold."""
    source, key, value, is_text = setting
    if key not in KEYS:
        raise _unknown(source, key)
    row = KEYS[key]
    with suppress(msgspec.ValidationError, tomllib.TOMLDecodeError):
        if is_text and isinstance(value, str) and get_origin(TYPES[key]) in (dict, tuple):
            value = tomllib.loads(f"it = {value}")["it"]
        typed = msgspec.convert(value, TYPES[key], strict=not is_text)
        if row.rule.holds(typed):
            return typed
    shown = f" is {value!r}, but" if row.mask is None else ""
    kind = WrongOption if source == COMMAND_LINE else ConfigError
    raise kind(f"{source}: {key}{shown} must be {row.rule.must}")


def _is_valid(setting: Setting) -> bool:
    try:
        _checked(setting)
    except ConfigError:
        return False
    return True


# Sections under words that are expected for them.
OTHER_WORDS: Final = {
    "api": "http_api",
    "cards": "bank",
    "dashboard": "ops",
    "database": "stores",
    "group": "chat",
    "groups": "chat",
    "http": "http_api",
    "metrics": "ops",
    "postgres": "stores",
    "redis": "stores",
    "status": "ops",
    "tls": "server",
    "users": "chat",
}


def _unknown(source: str, name: str) -> ConfigError:
    """The error for an unknown key or section, with a suggestion; the section may be wrong or missing."""
    bare = name.rpartition(".")[2]
    close = [key for key in KEYS if key.partition(".")[2] == bare]
    if not close and name in OTHER_WORDS:
        close = [f"[{OTHER_WORDS[name]}]"]
    elif not close and "." in name:
        close = get_close_matches(name, KEYS, n=1)
    elif not close:
        known = {key.partition(".")[2]: key for key in KEYS} | {section: f"[{section}]" for section in SECTIONS}
        close = [known[one] for one in get_close_matches(name, known, n=1)]
    question = f", did you mean {' or '.join(close)}?" if close else ""
    return ConfigError(f"{source}: unknown key {name}{question}")
