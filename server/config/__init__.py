"""The config: what a file says, above it the environment, above that the command line; all checked at once.

    file          [limits]  shares_max = 100
    environment   HONGBAO_LIMITS__SHARES_MAX=100
    command line  "limits.shares_max": 100

What each key means and must be is the table in config_table; config_text writes all of it down.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_origin

import msgspec

from server.config.table import KEYS, ORDER, TOGETHER, TOKEN_KEYS
from server.core.limits import Limits

ENVIRONMENT_PREFIX: Final = "HONGBAO_"
KEYS_FILE: Final = "keys.toml"
KEY_BYTES: Final = 32


class ConfigError(Exception):
    """The config cannot be used; the message is one line: where it says so, which key, what it must be."""


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the file. Each key of each section has a row in config_table.KEYS."""


class ServerSection(Section, frozen=True):
    """Where the server listens, and who it is."""

    host: str = "127.0.0.1"
    port: int = 7788
    node: int = 0
    tls_certificate: str = ""
    tls_key: str = ""


class StoresSection(Section, frozen=True):
    """Which stores, and which of them has the last word."""

    postgres: str = ""
    redis: str = ""
    durability: Literal["postgres", "redis"] = "postgres"
    postgres_pool_max: int = 8


class AuthSection(Section, frozen=True):
    """How login tokens are made and believed."""

    keys: dict[str, str] = {}
    token_lifetime_s: float = 30 * 86_400.0


class SettlementSection(Section, frozen=True):
    """How claims become money in wallets."""

    batch_max: int = 1_000
    idle_s: float = 1.0


class RefundsSection(Section, frozen=True):
    """How expired packets are paid back."""

    interval_s: float = 1.0
    batch_max: int = 200


class LogSection(Section, frozen=True):
    """How much is written, and how."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "text"] = "auto"


class OpsSection(Section, frozen=True):
    """How operators reach the server."""

    socket: str = ""
    socket_mode: str = "0600"
    change_uids: tuple[int, ...] = ()
    tcp: str = ""
    http: str = "127.0.0.1:7789"
    http_names: tuple[str, ...] = ()
    ready_backlog_s: float = 60.0


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that can be set. `load` is the way to a checked one."""

    server: ServerSection = ServerSection()
    stores: StoresSection = StoresSection()
    limits: Limits = msgspec.field(default_factory=Limits)
    auth: AuthSection = AuthSection()
    settlement: SettlementSection = SettlementSection()
    refunds: RefundsSection = RefundsSection()
    log: LogSection = LogSection()
    ops: OpsSection = OpsSection()


SECTIONS: Final[dict[str, type[msgspec.Struct]]] = {
    section.name: section.type for section in msgspec.structs.fields(Config)
}
TYPES: Final[dict[str, Any]] = {
    f"{section}.{field.name}": field.type
    for section, struct in SECTIONS.items()
    for field in msgspec.structs.fields(struct)
}


def variable(key: str) -> str:
    """The environment variable of a key."""
    return ENVIRONMENT_PREFIX + key.replace(".", "__").upper()


# Variables with one underscore too few. Many begin like ours and are none (HONGBAO_STORE_USER; a cluster tells of a
# service by HONGBAO_SERVER_PORT=tcp://…), so one of these is a slip only if the key would take its value.
MISSPELT: Final = {key.replace(".", "_").upper(): key for key in KEYS}


class Resolved(NamedTuple):
    """A checked config, and who had the last word about each key."""

    config: Config
    origins: dict[str, str]


class Setting(NamedTuple):
    """A value that was asked for, and where."""

    source: str
    key: str
    value: Any
    as_text: bool  # the source knows only text, so "7788" may be a number


def load(path: Path | None, overrides: Mapping[str, object], environment: Mapping[str, str] = os.environ) -> Config:
    """The config in force. `overrides` is the command line as "section.key": value, None where it is silent.

    Raises ConfigError.
    """
    return resolve(path, overrides, environment).config


def resolve(
    path: Path | None, overrides: Mapping[str, object], environment: Mapping[str, str] = os.environ
) -> Resolved:
    """The config in force, as `load` has it, and where each value was said. Raises ConfigError."""
    values, origins = flat(Config()), dict.fromkeys(KEYS, "default")
    for settings in (_from_file(path), _from_environment(environment), _from_command_line(overrides)):
        for setting in settings:
            values[setting.key], origins[setting.key] = _checked(setting), setting.source
    _check_pairs(values, origins)
    return Resolved(structured(values), origins)


def _check_pairs(values: Mapping[str, Any], origins: Mapping[str, str]) -> None:
    for low, high in ORDER:
        if values[low] > values[high]:
            raise ConfigError(
                f"{low} = {values[low]} ({origins[low]}) must not exceed {high} = {values[high]} ({origins[high]})"
            )
    for one, other in TOGETHER:
        if bool(values[one]) != bool(values[other]):
            said = one if values[one] else other
            raise ConfigError(f"{origins[said]}: {said} is said alone; say {one} and {other}, or neither")


def load_keys(config: Config, data: Path, *, may_make: bool = True) -> dict[str, bytes]:
    """The keys of login tokens by id; the last one mints. Without any in the config: those kept in DATA/keys.toml.

    That file is made once, for its owner's eyes only, unless `may_make` forbids it: a server that runs has keys, so
    for it a file that has gone is a fault. Raises ConfigError.
    """
    keys = config.auth.keys
    if not keys:
        path = data / KEYS_FILE
        try:
            if may_make and not path.exists():
                _make_keys(path)
            keys = _kept_keys(path)
        except (OSError, ValueError) as error:
            raise ConfigError(f"{path}: {error}") from error
    return {key_id: bytes.fromhex(text) for key_id, text in keys.items()}


def _from_file(path: Path | None) -> Iterator[Setting]:
    if path is None:
        return
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:  # a faulty file is a ValueError, be it as TOML or as UTF-8
        raise ConfigError(f"{path}: {error}") from error
    except RecursionError as error:
        raise ConfigError(f"{path}: nested too deeply") from error
    for section, table in tables.items():
        if section not in SECTIONS:
            raise _unknown(str(path), section)
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {section} is a section: write [{section}] and its keys below")
        for key, value in table.items():
            yield Setting(str(path), f"{section}.{key}", value, as_text=False)


def _from_environment(environment: Mapping[str, str]) -> Iterator[Setting]:
    for name, value in environment.items():
        if name.startswith(ENVIRONMENT_PREFIX):
            section, found, key = name.removeprefix(ENVIRONMENT_PREFIX).partition("__")
            source = f"environment variable {name}"
            if found:
                yield Setting(source, f"{section}.{key}".lower(), value, as_text=True)
            elif (meant := MISSPELT.get(section)) and _would_do(Setting(source, meant, value, as_text=True)):
                raise ConfigError(f"{source}: unknown, did you mean {variable(meant)}?")


def _from_command_line(overrides: Mapping[str, object]) -> Iterator[Setting]:
    for key, value in overrides.items():
        if value is not None:
            yield Setting("command line", key, value, as_text=True)


def _checked(setting: Setting) -> Any:
    """The value in its type, if there is such a key and its rule holds."""
    source, key, value, as_text = setting
    if key not in KEYS:
        raise _unknown(source, key)
    row = KEYS[key]
    with suppress(msgspec.ValidationError, tomllib.TOMLDecodeError):
        if as_text and isinstance(value, str) and get_origin(TYPES[key]) in (dict, tuple):
            value = tomllib.loads(f"it = {value}")["it"]
        typed = msgspec.convert(value, TYPES[key], strict=not as_text)
        if row.rule.holds(typed):
            return typed
    shown = f" is {value!r}, and" if row.mask is None else ""
    raise ConfigError(f"{source}: {key}{shown} must be {row.rule.must}")


def _would_do(setting: Setting) -> bool:
    try:
        _checked(setting)
    except ConfigError:
        return False
    return True


def _unknown(source: str, name: str) -> ConfigError:
    """What to say about a key or section that does not exist; the section may be wrong, or forgotten."""
    bare = name.rpartition(".")[2]
    close = [key for key in KEYS if key.partition(".")[2] == bare]
    if not close and "." in name:
        close = get_close_matches(name, KEYS, n=1)
    elif not close:
        known = {key.partition(".")[2]: key for key in KEYS} | {section: f"[{section}]" for section in SECTIONS}
        close = [known[one] for one in get_close_matches(name, known, n=1)]
    question = f", did you mean {' or '.join(close)}?" if close else ""
    return ConfigError(f"{source}: unknown key {name}{question}")


def _kept_keys(path: Path) -> dict[str, str]:
    if path.stat().st_mode & 0o077:
        raise ConfigError(f"{path}: others can read the keys: chmod 600 it, and change the keys if they may have")
    kept = tomllib.loads(path.read_text("utf-8"))
    if not kept or not all(isinstance(text, str) for text in kept.values()) or not TOKEN_KEYS.holds(kept):
        raise ConfigError(f"{path} must be {TOKEN_KEYS.must}")
    return kept


def _make_keys(path: Path) -> None:
    """Write a first key. Complete or not at all, and once, though several processes may start together."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor, draft = tempfile.mkstemp(prefix=KEYS_FILE, dir=path.parent)  # for nobody else's eyes
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(
            "# All keys are believed, the last one mints: append one to change it, remove the old one later.\n"
        )
        file.write(f'k1 = "{secrets.token_hex(KEY_BYTES)}"\n')
        file.flush()
        os.fsync(descriptor)
    with suppress(FileExistsError):
        os.link(draft, path)
    os.unlink(draft)


def flat(config: Config) -> dict[str, Any]:
    """The values by "section.key", in the order of the sections."""
    return {
        dotted: getattr(getattr(config, section), key) for dotted in TYPES for section, key in [dotted.split(".")]
    }


def structured(values: Mapping[str, Any]) -> Config:
    """The way back from `flat`."""
    sections: dict[str, dict[str, Any]] = {section: {} for section in SECTIONS}
    for dotted, value in values.items():
        section, _, key = dotted.partition(".")
        sections[section][key] = value
    return msgspec.convert(sections, Config)
