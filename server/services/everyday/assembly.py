"""The services of packets for everyday chats, made once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from server.clock import Clock
from server.core.limits import Limits
from server.services.chat.groups import GroupService
from server.services.everyday.relay import RelayService
from server.services.everyday.scheduled import ScheduledService
from server.services.everyday.turns import TurnService
from server.services.everyday.words import HiddenWords, WordsService
from server.services.packets.awaited import AwaitedReplies
from server.services.packets.grab_open import GrabOpenService
from server.services.packets.live_packets import LivePackets
from server.services.risk.gate import MoneyGate
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import Bus
from storage.stores import Stores


class EverydayServices:
    """Words of packets, packets that wait for their time, the relay of groups."""

    def __init__(
        self,
        stores: Stores,
        packets: LivePackets,
        opens: GrabOpenService,
        replies: AwaitedReplies,
        groups: GroupService,
        limits: Limits,
        clock: Clock,
        bus: Bus,
        seed_keys: Mapping[str, bytes],
        is_time_known: Callable[[], bool],
        gate: MoneyGate,
        *,
        self_service: bool,
    ) -> None:
        """`is_time_known`: the clock is confirmed, so packets may be posted, of users who pass `gate`."""
        self.hidden_words = HiddenWords(seed_keys, limits)
        self.words = WordsService(
            stores.words, self.hidden_words, packets, opens, replies, groups, limits, clock.now_ms, bus
        )
        self.relay = RelayService(stores.relays, groups, self_service=self_service)
        self.turns = TurnService(stores.relays, limits)
        self.scheduled = ScheduledService(stores.scheduled, packets, groups, clock.now_ms, is_time_known, bus, gate)

    @property
    def batchers(self) -> dict[str, Batcher[Any, Any]]:
        """The queues of work that is done in batches, by name."""
        return {"words": self.words.batcher, "turns": self.turns.batcher}
