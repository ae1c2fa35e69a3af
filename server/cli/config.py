"""`hongbao config`, and what of the config can be said on the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import cyclopts
from cyclopts import Parameter

from server.cli.numbers import Port
from server.config import Config, ConfigError, load, resolve, text
from server.credentials import load_tls

DATA: Final = Path(".hongbao")
DataOption = Annotated[Path, Parameter(name="--data", help="folder of the stores, keys and sockets")]
ConfigOption = Annotated[Path | None, Parameter(name="--config", help="TOML file (see: hongbao config default)")]
PostgresOption = Annotated[str | None, Parameter(name="--postgres", help="DSN of your own PostgreSQL (>= 14)")]
RedisOption = Annotated[str | None, Parameter(name="--redis", help="URL of your own Redis (>= 7.0) or Valkey")]

config_cli = cyclopts.App(name="config", help="Show and check what can be set.", result_action="return_value")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """Those keys of the config that have a flag."""

    postgres: PostgresOption = None
    redis: RedisOption = None
    host: Annotated[str | None, Parameter(help="address to listen on (default 127.0.0.1)")] = None
    port: Annotated[Port | None, Parameter(help="port to listen on (default 7788; 0: a free one)")] = None
    durability: Annotated[
        str | None,
        Parameter(
            help='when "won" is said: postgres (default: the record has committed) or redis (Redis has fsynced)'
        ),
    ] = None
    tls_certificate: Annotated[Path | None, Parameter(help="speak TLS with this certificate chain, a PEM file")] = (
        None
    )
    tls_key: Annotated[Path | None, Parameter(help="and this private key, a PEM file")] = None
    log_level: Annotated[str | None, Parameter(help="what is logged: debug, info (default), warning, error")] = None
    log_format: Annotated[
        str | None, Parameter(help="how: json, text, or auto (default: text to a terminal, JSON to anything else)")
    ] = None

    def overrides(self) -> dict[str, object]:
        """What was said, by the keys of the config; None where nothing was."""
        return {
            "server.host": self.host,
            "server.port": self.port,
            "server.tls_certificate": self.tls_certificate and str(self.tls_certificate),
            "server.tls_key": self.tls_key and str(self.tls_key),
            "stores.postgres": self.postgres,
            "stores.redis": self.redis,
            "stores.durability": self.durability,
            "log.level": self.log_level,
            "log.format": self.log_format,
        }


NO_FLAGS: Final = Flags()


def load_to_serve(path: Path | None, flags: Flags = NO_FLAGS) -> Config:
    """The config of a server. Raises ConfigError."""
    settings = load(path, flags.overrides())
    if bool(settings.stores.postgres) != bool(settings.stores.redis):
        raise ConfigError("give both --postgres and --redis, or neither (stores.postgres and stores.redis)")
    return settings


@config_cli.command
def default() -> int:
    """Print the whole config with its default values, what they mean, and what HUP does about them.

    Example: hongbao config default > hongbao.toml
    """
    print(text.default_toml(), end="")
    return 0


@config_cli.command
def show(*, config: ConfigOption = None, flags: Flags = NO_FLAGS) -> int:
    """Print the config in force and where each value was said: file < environment (HONGBAO_SECTION__KEY) < flags.

    Secrets are masked. It takes the flags of `hongbao serve`.

    Example: HONGBAO_LIMITS__SHARES_MAX=100 hongbao config show --config hongbao.toml
    """
    print(text.show(resolve(config, flags.overrides())), end="")
    return 0


@config_cli.command
def check(file: Path) -> int:
    """Say whether a server would take a config file and its TLS files; exit 1 and say why if not.

    Example: hongbao config check hongbao.toml

    Parameters
    ----------
    file
        the TOML file
    """
    load_tls(load_to_serve(file))
    print(f"{file}: good")
    return 0
