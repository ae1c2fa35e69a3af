"""Rules as files: TOML, read and compiled once."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from server.config import ConfigError

if TYPE_CHECKING:
    from server.config import Config
    from server.core.risk.rules import RuleBook

DEFAULT: Final = Path(__file__).with_name("default_rules.toml")


def rules_of(config: Config) -> RuleBook | None:
    """The rules that a server judges by; None: the mode is off. Raises ConfigError."""
    return None if config.risk.mode == "off" else rule_book(config.risk.rules)


def book_of(stored: object) -> RuleBook:
    """The rules of a version, as the record keeps them. Raises BadRule, msgspec.ValidationError."""
    from server.core.risk.rules import RiskRule, RuleBook

    return RuleBook(msgspec.convert(stored, list[RiskRule]))


def rule_book(path: str) -> RuleBook:
    """The rules of a file; "": those that come with hongbao. Raises ConfigError, one line."""
    from server.core.risk.rules import BadRule, RuleBook, RuleFile  # the library takes a while; mode off needs none

    file = Path(path) if path else DEFAULT
    try:
        return RuleBook(msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), RuleFile).rules)
    except OSError as error:
        raise ConfigError(f"risk.rules: {file}: {(error.strerror or str(error)).lower()}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError, BadRule) as error:
        raise ConfigError(f"risk.rules: {file}: {error}") from None
