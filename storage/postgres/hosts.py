"""The hosts that a DSN names, each with a DSN of its own, in the order in which they are tried."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit


class Hosts:
    """One that has failed is tried last from then on: an old primary may live on and be named first."""

    def __init__(self, dsn: str) -> None:
        self._dsns = one_host_each(dsn)

    @property
    def in_order(self) -> list[str]:
        """As they are to be tried."""
        return list(self._dsns)

    @property
    def to_look_at(self) -> list[str]:
        """Where another primary may be: the hosts that are not in use, or the only one: its address may move."""
        return self._dsns[1:] or self.in_order

    def failed(self, dsn: str) -> None:
        """Try it last, if it was first: a host that is silent must not use up the time of each attempt."""
        if self._dsns[0] == dsn:
            self._dsns.append(self._dsns.pop(0))


def one_host_each(dsn: str) -> list[str]:
    """`postgresql://me@a,b:1/db` and `postgresql:///db?host=a,b&port=5432,1` name two hosts each."""
    parts = urlsplit(dsn)
    login, at, hosts = parts.netloc.rpartition("@")
    if hosts:
        return [parts._replace(netloc=f"{login}{at}{host}").geturl() for host in hosts.split(",")]
    query = dict(parse_qsl(parts.query))
    named = query.get("host", "").split(",")
    ports = query.get("port", "").split(",")
    if len(named) == 1:
        return [dsn]
    if len(ports) < len(named):
        ports = ports[:1] * len(named)
    found = []
    for host, port in zip(named, ports, strict=False):
        one = query | {"host": host} | ({"port": port} if port else {})
        found.append(parts._replace(query=urlencode(one, safe="/")).geturl())
    return found
