"""Addresses to listen on: as text, and whether they are free."""

from __future__ import annotations

import errno
import os
import socket
from ipaddress import ip_address


def shown(host: str, port: int) -> str:
    """Host and port as in a URL: an IPv6 address stands in brackets."""
    host = host.strip("[]")
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def host_and_port(address: str) -> tuple[str, int]:
    """Host and port of "[::1]:7791" or "127.0.0.1:7791"."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def cannot_listen(host: str, port: int, error: OSError, where: str = "") -> OSError:
    """The error for an address that cannot be listened on: which, why, and what to do. `where`: the key that sets
    it in the config; by default the options of the command line.
    """
    port_setting, host_setting = where or "--port", where or "--host"
    why = error.strerror or str(error)
    if error.errno is not None and error.errno > 0:
        why = os.strerror(error.errno).lower()
    advice = {
        errno.EADDRINUSE: f"; does another server run there? Choose another port with {port_setting}",
        errno.EACCES: f"; ports below 1024 need a privilege: choose another port with {port_setting}",
        errno.EADDRNOTAVAIL: f"; this machine has no such address: choose another with {host_setting}",
    }.get(error.errno or 0, f"; is {host_setting} right?" if isinstance(error, socket.gaierror) else "")
    return OSError(f"cannot listen on {shown(host, port)}: {why}{advice}")


def check_free(host: str, port: int, where: str = "") -> None:
    """Raise OSError if a server could not listen there now; before it makes anything. `where`: see above."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found if port else ():
            with socket.socket(family, kind, protocol) as tried:
                tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    tried.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                tried.bind(address)
                tried.listen(1)
    except OSError as error:
        raise cannot_listen(host, port, error, where) from error


def is_loopback(host: str) -> bool:
    """Only this machine reaches it. Of a host name other than localhost that is not known here: no."""
    try:
        return host == "localhost" or ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
