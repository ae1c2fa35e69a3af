"""Hosts of one machine: network namespaces with a way to the test, and a cable that can be cut and lose packets."""

from __future__ import annotations

import ctypes
import fcntl
import os
import random
import select
import shutil
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final, NamedTuple, Self

import pytest

NEW_NET: Final = 0x40000000  # CLONE_NEWNET
TUN_SET_INTERFACE: Final = 0x400454CA
TUN_WITHOUT_HEAD: Final = 0x1001  # IFF_TUN | IFF_NO_PI
PACKET_BYTES_MAX: Final = 1 << 16
LOOK_S: Final = 0.1


def ip(*words: str) -> None:
    """The command that configures networks."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Host(NamedTuple):
    """A host. The test reaches it at `address`, and is there `test_address`; other hosts reach it at `own`."""

    namespace: str
    address: str
    test_address: str
    own: str

    @property
    def enter(self) -> tuple[str, ...]:
        """The words before a command that runs on it."""
        return ("ip", "netns", "exec", self.namespace)


@contextmanager
def two_hosts() -> Iterator[tuple[Host, Host]]:
    """Two hosts without a cable between them. Skips the test where no namespace can be made."""
    if os.geteuid() != 0 or shutil.which("ip") is None or not os.access("/dev/net/tun", os.W_OK):
        pytest.skip("needs root, iproute2 and tun devices")
    number = random.randrange(1 << 13)
    net = f"10.{150 + number // 256}.{number % 256}"
    with ExitStack() as stack:
        yield tuple(stack.enter_context(_host(net, number, one)) for one in (1, 2))  # type: ignore[misc]


@contextmanager
def _host(net: str, number: int, one: int) -> Iterator[Host]:
    host = Host(f"hongbao-{number}-{one}", f"{net}.{16 * one + 2}", f"{net}.{16 * one + 1}", f"{net}.{128 + one}")
    ours, theirs = f"hbm{number}{one}a", f"hbm{number}{one}b"
    try:
        ip("netns", "add", host.namespace)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no network namespace can be made here: {error.stderr.decode().strip()}")
    try:
        ip("link", "add", ours, "type", "veth", "peer", "name", theirs, "netns", host.namespace)
        ip("addr", "add", f"{host.test_address}/28", "dev", ours)
        ip("-n", host.namespace, "addr", "add", f"{host.address}/28", "dev", theirs)
        ip("link", "set", ours, "up")
        for link in ("lo", theirs):
            ip("-n", host.namespace, "link", "set", link, "up")
        yield host
    finally:
        with suppress(subprocess.CalledProcessError):
            ip("link", "del", ours)
        ip("netns", "del", host.namespace)


class Cable:
    """Inside `with` it joins two hosts: a thread passes on every packet, or loses it."""

    def __init__(self, one: Host, other: Host, loss: float = 0.0, seed: int = 1) -> None:
        """`loss`: the part of packets that is lost by chance."""
        self._hosts = one, other
        self._loss = loss
        self._random = random.Random(seed)
        self._is_cut = threading.Event()
        self._is_over = threading.Event()
        self._ends: list[int] = []
        self._thread = threading.Thread(target=self._pass_on)
        self.passed = self.lost = 0  # packets

    def __enter__(self) -> Self:
        for host, other in (self._hosts, reversed(self._hosts)):
            self._ends.append(_tun_of(host))
            ip("-n", host.namespace, "addr", "add", host.own, "peer", other.own, "dev", "cable")
            ip("-n", host.namespace, "link", "set", "cable", "up")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        for end in self._ends:
            os.close(end)

    def cut(self) -> None:
        """Pull it out: nothing passes, and no side is told."""
        self._is_cut.set()

    def join(self) -> None:
        """Plug it in."""
        self._is_cut.clear()

    def _pass_on(self) -> None:
        one, other = self._ends
        while not self._is_over.is_set():
            for end in select.select([one, other], [], [], LOOK_S)[0]:
                packet = os.read(end, PACKET_BYTES_MAX)
                if self._is_cut.is_set() or self._random.random() < self._loss:
                    self.lost += 1
                    continue
                self.passed += 1
                with suppress(OSError):  # the other end is not up yet
                    os.write(other if end == one else one, packet)


def _tun_of(host: Host) -> int:
    """A device named `cable` on a host; the file by which its packets are read and written here."""
    made: list[int] = []

    def make() -> None:
        """A thread is in a namespace of its own choice; the others of the process stay."""
        with open(f"/run/netns/{host.namespace}") as namespace:
            if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), NEW_NET):
                raise OSError(ctypes.get_errno(), "setns")
        end = os.open("/dev/net/tun", os.O_RDWR)
        fcntl.ioctl(end, TUN_SET_INTERFACE, struct.pack("16sH", b"cable", TUN_WITHOUT_HEAD))
        made.append(end)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert made, "no tun device can be made"
    return made[0]
