"""Batches of the commit path: the claims of one packet that travel together, and what became of them."""

from __future__ import annotations

from collections.abc import Collection
from itertools import chain
from typing import NamedTuple

from server.core.decisions import Claim
from server.core.packet import Packet
from server.services.packets.live_packet import LivePacket
from server.services.packets.requests import PendingRequest, WinRequest
from storage.postgres.packets.packets import Advance, Wins
from storage.redis import mirror as log
from storage.redis.mirror import Extension


class PacketBatch:
    """The part of a batch that belongs to one packet, decided on `packet` when it had `version` claims."""

    __slots__ = ("claims", "live", "packet", "released", "requests", "version")

    def __init__(self, live: LivePacket, packet: Packet, version: int) -> None:
        self.live = live
        self.packet = packet
        self.version = version
        self.requests: list[PendingRequest] = []
        self.claims: list[Claim] = []  # of the requests, in the order of the indexes
        self.released = False  # it has left the stores: recorded or rejected


class ClaimsDurable(NamedTuple):
    """The claims of a batch are durable: replies and pushes may name them."""

    batch: PacketBatch


class ClaimsRecorded(NamedTuple):
    """The claims of a batch stand in the books."""

    batch: PacketBatch


class ClaimsRejected(NamedTuple):
    """A store refused a batch, or its outcome is unknown: the packet must be read again."""

    batch: PacketBatch
    why: str


class PacketsOver(NamedTuple):
    """No mirror is needed any more for these packets: their record is complete."""

    packet_ids: tuple[int, ...]


def leave_unmirrored(batch: list[PacketBatch]) -> None:
    """What the mirror holds of these packets is unknown now; the next claim finds out by being refused."""
    for part in batch:
        part.live.mirrored = False


def count_failure(batch: list[PacketBatch]) -> None:
    """A store failed, it did not refuse: `GrabOpenService._retry` gives up after some failures."""
    for part in batch:
        for request in part.requests:
            request.failures += 1


def without(batch: list[PacketBatch], few: list[PacketBatch]) -> list[PacketBatch]:
    """The batch without these parts; as a rule there are none."""
    return [part for part in batch if part not in few] if few else batch


def of_packets(batch: list[PacketBatch], packet_ids: Collection[int]) -> list[PacketBatch]:
    """The parts of these packets; as a rule there are none."""
    return [part for part in batch if part.live.packet_id in packet_ids] if packet_ids else []


def claims_in(batch: list[PacketBatch]) -> int:
    """How many claims all its parts have."""
    return sum(len(part.claims) for part in batch)


def joined(batches: list[list[PacketBatch]]) -> list[PacketBatch]:
    """Several batches as one, with one part for each packet."""
    by_live: dict[LivePacket, PacketBatch] = {}
    for part in chain.from_iterable(batches):
        before = by_live.setdefault(part.live, part)
        if before is not part:
            before.requests.extend(part.requests)
            before.claims.extend(part.claims)
            part.live.in_flight -= 1
    return list(by_live.values())


def advances_of(batch: list[PacketBatch], told: bool) -> list[Advance]:
    """What the record must take of these. `told`: their users may have been told already."""
    of_leases = Wins.TOLD if told else Wins.UNTOLD
    return [
        Advance(part.live.packet_id, part.version, part.claims, of_leases, _are_first(part))
        if part.packet.terms.dealt
        else Advance(part.live.packet_id, part.version, part.claims)
        for part in batch
    ]


def _are_first(part: PacketBatch) -> bool:
    """Whether each is the first win of its user, as far as this server knows."""
    return all(type(one) is WinRequest and one.is_first for one in part.requests)


def extension(part: PacketBatch) -> Extension:
    """What the mirror must append for this part: its claims, after a whole image if its log is not good."""
    live, claims = part.live, log.pack(part.claims)
    if live.mirrored:
        return Extension(live.packet_id, log.length(part.version), b"", claims)
    return Extension(live.packet_id, live.mirror_length, _image(part), claims)


def _image(part: PacketBatch) -> bytes:
    """The whole log of a packet as it was before this part."""
    claims = list(part.packet.claims.values())[: part.version]
    return log.HEAD + log.pack(claims)
