"""Options that several commands have, and the config that they give a server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from cyclopts import Parameter

from server.cli.shared.numbers import Port
from server.cli.shared.words import filled, path, server_url
from server.config import Config, ConfigError, WrongOption, load, resolve
from server.net.addresses import host_and_port, is_loopback

DATA: Final = Path(".hongbao")
DataOption = Annotated[
    Path, Parameter(name="--data", converter=path, help="folder of the stores, keys and sockets")
]
ConfigOption = Annotated[
    Path | None, Parameter(name="--config", converter=path, help="TOML file (see: hongbao config default)")
]
PostgresOption = Annotated[
    str | None, Parameter(name="--postgres", converter=filled, help="DSN of your own PostgreSQL (>= 14)")
]
RedisOption = Annotated[
    str | None, Parameter(name="--redis", converter=filled, help="URL of your own Redis (>= 7.0) or Valkey")
]
UrlOption = Annotated[
    str | None,
    Parameter(name="--url", converter=server_url, help="URL of the server (default: the one that runs on --data)"),
]
LanguageOption = Annotated[
    Literal["zh", "en"] | None, Parameter(name="--lang", help="zh or en (default: from $LANG)")
]


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Flags:
    """The keys of the config that have an option of `hongbao serve`."""

    postgres: PostgresOption = None
    redis: RedisOption = None
    host: Annotated[str | None, Parameter(help="address to listen on (default 127.0.0.1)")] = None
    port: Annotated[Port | None, Parameter(help="port to listen on (default 7788; 0: any free port)")] = None
    workers: Annotated[
        str | None, Parameter(help="processes behind the address (default 1), or auto: one for each core")
    ] = None
    durability: Annotated[
        str | None,
        Parameter(
            help="a claim is answered with `won` after: postgres (default, the record has committed) or redis "
            "(Redis has fsynced)"
        ),
    ] = None
    http_api: Annotated[
        str | None,
        Parameter(help="address of the HTTP API of the chat backend, such as 127.0.0.1:7792 (default: none)"),
    ] = None
    tls_certificate: Annotated[Path | None, Parameter(help="listen with TLS: certificate chain, PEM file")] = None
    tls_key: Annotated[Path | None, Parameter(help="private key of the certificate, PEM file")] = None
    log_level: Annotated[
        str | None, Parameter(help="lowest level that is logged: debug, info (default), warning, error")
    ] = None
    log_format: Annotated[
        str | None, Parameter(help="json, text, or auto (default: text to a terminal, else JSON)")
    ] = None

    def overrides(self) -> dict[str, object]:
        """The given options by the keys of the config; None for the others."""
        return {
            "server.host": self.host,
            "server.port": self.port,
            "server.workers": self.workers,
            "http_api.address": self.http_api,
            "server.tls_certificate": self.tls_certificate and str(self.tls_certificate),
            "server.tls_key": self.tls_key and str(self.tls_key),
            "stores.postgres": self.postgres,
            "stores.redis": self.redis,
            "stores.durability": self.durability,
            "log.level": self.log_level,
            "log.format": self.log_format,
        }


NO_FLAGS: Final = Flags()


def leaves_self_service_open(path: Path | None, flags: Flags = NO_FLAGS) -> bool:
    """Whether a config file does not say who decides about groups and names, as files of older versions do not."""
    return path is not None and resolve(path, flags.overrides()).origins["chat.self_service"] == "default"


def load_to_serve(path: Path | None, flags: Flags = NO_FLAGS) -> Config:
    """The config of a server. Raises ConfigError."""
    settings = load(path, flags.overrides())
    if bool(settings.stores.postgres) != bool(settings.stores.redis):
        kind = WrongOption if flags.postgres or flags.redis else ConfigError
        raise kind("give both --postgres and --redis, or neither (stores.postgres and stores.redis)")
    _check_websocket(settings)
    _check_proxy_protocol(settings)
    return settings


def _check_proxy_protocol(settings: Config) -> None:
    """A PROXY header comes before the handshake of TLS, and is read on connections without TLS only."""
    server, websocket, http_api = settings.server, settings.websocket, settings.http_api
    if http_api.proxy_protocol and not http_api.behind_proxy:
        raise ConfigError("http_api.proxy_protocol needs http_api.behind_proxy = true: TLS ends in the proxy")
    if server.tls_certificate and (server.proxy_protocol or (websocket.proxy_protocol and websocket.tls)):
        raise ConfigError(
            "server.tls_certificate is set, but with proxy_protocol TLS ends in the proxy: remove the certificate; "
            "for WebSocket alone set websocket.tls = false"
        )


def _check_websocket(settings: Config) -> None:
    """What browsers send crosses networks that are not ours, so it must be encrypted, here or by a proxy."""
    websocket = settings.websocket
    has_proxy = websocket.trusted_proxies or websocket.proxy_protocol
    if not websocket.listen or is_loopback(host_and_port(websocket.listen)[0]) or has_proxy:
        return
    if not (websocket.tls and settings.server.tls_certificate):
        raise ConfigError(
            f"websocket.listen = {websocket.listen!r} is not an address of this machine alone: set "
            "server.tls_certificate, or end TLS in a proxy and name it in websocket.trusted_proxies"
        )
