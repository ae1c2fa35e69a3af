"""The one place that asks the parts of the server what they have counted, and makes a sample of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import psutil

from protocol import messages
from server.core import ledger
from server.net.dispatch import Dispatch
from server.net.hub import Hub
from server.net.listener import Listener
from server.net.subscriptions import Subscriptions
from server.ops.samples.hottest import Hottest
from server.ops.samples.sample import AuditFault, AuditResult, Counts, Figures, HotPacket, Sample, State, StoreState
from server.services.money.settlement import SettlementService
from server.services.money.wallets import WalletService
from server.services.packets.commit import CommitPath
from server.services.packets.grab_open import PacketService
from server.services.packets.live_packet import LivePacket
from server.services.packets.recovery import Recovery
from server.services.packets.refund import RefundService
from server.services.packets.send import SendService
from storage.postgres.database import Database

WITHOUT_REDIS: Final = {"postgres": "opens go on without the mirror", "redis": "opens are refused"}


class ObservedParts(NamedTuple):
    """Whoever counts something."""

    listener: Listener
    hub: Hub
    watching: Subscriptions
    dispatch: Dispatch
    packets: PacketService
    path: CommitPath
    recovery: Recovery
    settlement: SettlementService
    refunds: RefundService
    sends: SendService
    wallets: WalletService
    database: Database


class Observer:
    """Makes samples. `state`, `figures` and those about audits are told by whoever knows them."""

    def __init__(
        self, parts: ObservedParts, durability: str, now_ms: Callable[[], int], now_s: Callable[[], float]
    ) -> None:
        """`now_s` is a clock that never jumps."""
        self._parts = parts
        self._durability = durability
        self._now_ms = now_ms
        self._now_s = now_s
        self._started_at_ms = now_ms()
        self._hottest = Hottest()
        self._process = psutil.Process()
        self._stores: dict[str, StoreState] = {}
        self.state: State = "starting"
        self.figures: Callable[[], Figures | None] = lambda: None
        self.audit: Callable[[], AuditResult | None] = lambda: None
        self.audit_fault: Callable[[], AuditFault | None] = lambda: None

    def turn(self) -> None:
        """A second has passed."""
        self._hottest.turn(self._parts.packets.take_opens())

    def sample(self, lag_ms: float) -> Sample:
        """The server now; `lag_ms` is measured by whoever calls."""
        (listener, hub, watching, dispatch, packets, path, recovery, settlement, refunds, sends, wallets, _) = (
            self._parts
        )
        return Sample(
            at_ms=self._now_ms(),
            clock_s=self._now_s(),
            started_at_ms=self._started_at_ms,
            state=self.state_now,
            durability=self._durability,
            connections=len(listener.sessions),
            users_online=hub.online(),
            accepted=listener.accepted,
            closes=_by_name(listener.closes),
            slow_readers=listener.slow_readers,
            requests={KIND_NAMES[kind]: count for kind, count in dispatch.requests.items()},
            refusals=_by_name(dispatch.refusals),
            answers={answer.value: count for answer, count in dispatch.answers.items()},
            pushes=hub.pushes + watching.pushes,
            open_ms=path.open_ms.so_far(),
            redis_ms=path.batch_ms["redis"].so_far(),
            postgres_ms=path.batch_ms["postgres"].so_far(),
            batches=path.batches,
            claims=path.recorded_claims,
            rejected=path.rejected_claims,
            redriven=recovery.redriven_claims + refunds.redriven_claims,
            unrecorded=path.unrecorded,
            live_packets=packets.live_packets,
            hottest=tuple(
                HotPacket(str(packet_id), opens, _left_shares(packets.live(packet_id)))
                for packet_id, opens in self._hottest.top()
            ),
            settled=settlement.settled_claims,
            refunded_packets=refunds.refunded_packets,
            sends=sends.sent_packets,
            money_fen={
                "topped_up": wallets.moved_fen[ledger.TransferKind.TOP_UP],
                "withdrawn": wallets.moved_fen[ledger.TransferKind.WITHDRAW],
                "sent": sends.sent_fen,
                "claimed": path.recorded_fen + recovery.found_fen + refunds.redriven_fen,
                "refunded": refunds.refunded_fen,
            },
            figures=self.figures(),
            loop_lag_ms=lag_ms,
            rss_bytes=self._process.memory_info().rss,
            stores=self.stores(),
            audit=self.audit(),
            audit_fault=self.audit_fault(),
        )

    @property
    def state_now(self) -> State:
        """Where the server is in its life."""
        return "draining" if self._parts.dispatch.draining else self.state

    def stores(self) -> dict[str, StoreState]:
        """Which stores are known to answer, and since when that is so."""
        without_postgres = self._parts.database.away
        without_redis = "" if self._parts.path.mirror_is_up else WITHOUT_REDIS[self._durability]
        for name, why in (("postgres", without_postgres), ("redis", without_redis)):
            before = self._stores.get(name)
            if before is None or before.up != (not why):
                self._stores[name] = StoreState(not why, self._now_ms(), why)
        return dict(self._stores)


def _left_shares(live: LivePacket | None) -> int | None:
    return None if live is None or live.packet is None else live.packet.terms.shares - live.durable


def _by_name(counts: Mapping[Any, int]) -> Counts:
    return {reason.name.lower(): count for reason, count in counts.items()}


def _in_words(name: str) -> str:
    """SendPacket: send_packet."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


KIND_NAMES: Final[dict[type[messages.Message], str]] = {
    kind: _in_words(kind.__name__) for kind in messages.FROM_CLIENT
}
