"""Addresses of Redis, and connections to it.

`redis://`, `rediss://` (TLS) and `unix://` name one server, as the library reads them. `redis+cluster://` and
`rediss+cluster://` name some nodes of a cluster, `redis+sentinel://` and `rediss+sentinel://` Sentinels and then
the name of the master: `redis+sentinel://user:password@host:26379,host:26379/mymaster`.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple, cast
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from redis import __version__ as redis_version
from redis import asyncio as aioredis
from redis.asyncio.connection import SSLConnection, parse_url
from redis.asyncio.retry import Retry
from redis.asyncio.sentinel import Sentinel
from redis.backoff import NoBackoff
from redis.driver_info import DriverInfo

# Each connection tells it to Redis. The library would read its version from the disk each time: 2 ms of the loop.
_DRIVER: Final = DriverInfo(lib_version=redis_version)
_OF_SENTINELS: Final = {"sentinel_username": "username", "sentinel_password": "password"}
_MASTER: Final = "mymaster"  # the name of the master in the example of a config that comes with Redis


class RedisAddress(NamedTuple):
    """An address in parts. `urls`: one for each host, as the library reads it; `master`: its name at Sentinels."""

    form: Literal["server", "cluster", "sentinel"]
    urls: tuple[str, ...]
    master: str = ""

    def url_of(self, place: str) -> str:
        """The url of another node of the cluster (host:port): with the same user, password and TLS."""
        parts = urlsplit(self.urls[0])
        user, at, _ = parts.netloc.rpartition("@")
        scheme = "redis" if parts.scheme == "unix" else parts.scheme
        query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "db"])
        return f"{scheme}://{user}{at}{place}" + (f"?{query}" if query else "")


def parse(url: str) -> RedisAddress:
    """An address in parts. Raises ValueError."""
    scheme, _, form = urlsplit(url).scheme.partition("+")
    if form not in ("cluster", "sentinel"):
        return RedisAddress("server", (url,))
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    query = f"?{parts.query}" if parts.query else ""
    urls = tuple(f"{scheme}://{user}{at}{host}{query}" for host in hosts.split(","))
    if form == "cluster":
        return RedisAddress("cluster", urls)
    return RedisAddress("sentinel", urls, unquote(parts.path.strip("/")) or _MASTER)


def place_in(host: str, port: int) -> str:
    """A node as host:port; an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def connect(url: str, timeout_s: float) -> aioredis.Redis:
    """A pool for one server; nothing is opened yet."""
    return aioredis.Redis.from_url(url, **_options(timeout_s))


def find_master(address: RedisAddress, timeout_s: float) -> tuple[aioredis.Redis, Sentinel]:
    """A pool for the master that Sentinels name, and the pools for the Sentinels; nothing is opened yet.

    Each new connection asks them again, and one whose server has become a replica is replaced.
    """
    words = [dict(parse_url(url)) for url in address.urls]
    places = [(one.pop("host", "localhost"), one.pop("port", 26379)) for one in words]
    of_master: dict[str, Any] = {**words[0], **_options(timeout_s)}
    if of_master.pop("connection_class", None) is SSLConnection:
        of_master["ssl"] = True
    of_sentinels = {name: of_master.pop(named, None) for named, name in _OF_SENTINELS.items()}
    secured = {name: value for name, value in of_master.items() if name.startswith("ssl")}
    of_sentinels |= {**secured, **_options(timeout_s)}
    sentinels = Sentinel(places, sentinel_kwargs=of_sentinels, **of_master)  # type: ignore[no-untyped-call]
    return cast("aioredis.Redis", sentinels.master_for(address.master)), sentinels


def _options(timeout_s: float) -> dict[str, Any]:
    return {
        "socket_timeout": timeout_s,
        "socket_connect_timeout": timeout_s,
        "driver_info": _DRIVER,
        "retry": Retry(NoBackoff(), 0),  # a call whose outcome is unknown is ours to judge
    }
