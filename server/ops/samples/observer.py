"""The observer: the only module that reads the counters of the server's parts. It makes a sample of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec.structs import replace

from protocol import messages
from server.core import ledger
from server.core.payments import OPEN
from server.ops.audit_runs import AuditRuns
from server.ops.samples.hot_packets import HotPackets
from server.ops.samples.observed_parts import ObservedParts
from server.ops.samples.own_process import OwnProcess
from server.ops.samples.periodic_query import PeriodicQuery
from server.ops.samples.risk_figures import risk_figures
from server.ops.samples.sample import (
    BankFigures,
    CampaignFigures,
    Counts,
    Figures,
    HotPacket,
    OpenPayments,
    Sample,
    State,
    StoreState,
    WebhookFigures,
    WebhookQueue,
)
from server.services.packets.live_packet import LivePacket

WITHOUT_REDIS: Final = {"postgres": "opens go on without the mirror", "redis": "opens are refused"}
WITHOUT_A_NODE: Final = {
    "postgres": "opens of their packets go on without the mirror",
    "redis": "opens of their packets are refused",
}


class Observer:
    """Makes samples. The app sets `state` when it changes."""

    def __init__(
        self,
        parts: ObservedParts,
        *,
        figures: PeriodicQuery[Figures],
        audits: AuditRuns,
        durability: str,
        now_ms: Callable[[], int],
        now_s: Callable[[], float],
    ) -> None:
        """`now_s` is a monotonic clock."""
        self._parts = parts
        self._figures = figures
        self._audits = audits
        self._durability = durability
        self._now_ms = now_ms
        self._now_s = now_s
        self._started_s, self._started_at_ms = now_s(), now_ms()
        self._hot_packets = HotPackets()
        self._process = OwnProcess()
        self._stores: dict[str, StoreState] = {}
        self.state: State = "starting"

    def tick(self) -> None:
        """Called once a second."""
        self._hot_packets.add_second(self._parts.services.opens.take_opens())

    def serves(self) -> None:
        """The stores are open, so the time is that of the database: also of the start."""
        self.state = "serving"
        self._started_at_ms = self._now_ms() - round((self._now_s() - self._started_s) * 1000)

    def sample(self, lag_ms: float) -> Sample:
        """The server now; `lag_ms` is the event loop's lag, measured by the caller."""
        parts, services = self._parts, self._parts.services
        commit = services.commit
        return Sample(
            at_ms=self._now_ms(),
            clock_s=self._now_s(),
            started_at_ms=self._started_at_ms,
            state=self.state_now,
            durability=self._durability,
            connections=len(parts.listener.sessions),
            connections_max=parts.listener.connections_max,
            accepted=parts.listener.accepted,
            closes=_by_name(parts.listener.closes),
            slow_readers=parts.listener.slow_readers,
            reads=parts.dispatch.reads,
            requests={KIND_NAMES[kind]: count for kind, count in parts.dispatch.requests.items()},
            refusals=_by_name(parts.dispatch.refusals),
            http_requests=parts.http_api.requests,
            answers={answer.value: count for answer, count in parts.dispatch.answers.items()},
            pushes=parts.hub.pushes + parts.subscriptions.pushes,
            open_ms=commit.open_ms.so_far(),
            redis_ms=commit.batch_ms["redis"].so_far(),
            postgres_ms=commit.batch_ms["postgres"].so_far(),
            batches=commit.batches,
            claims=commit.recorded_claims,
            rejected=commit.rejected_claims,
            redriven=services.reload.redriven_claims + services.refunds.redriven_claims,
            unrecorded=commit.unrecorded,
            **self._shared(),
            other_servers=services.changes.others,
            current=self.current,
            local_ahead_s=services.time.local_ahead_s,
            jump_s=services.time.jump_s,
            hottest=self._hottest(),
            settled=services.of_sets.settled_claims,
            refunded_packets=services.refunds.refunded_packets,
            sends=services.sends.sent_packets,
            webhooks=self._webhooks(),
            **self._about_others(),
            figures=self._figures.figures if services.figure_duty.is_held else None,
            loop_lag_ms=lag_ms,
            rss_bytes=self._process.rss_bytes(),
            stores=self.stores(),
            audit=self._audits.last,
            audit_fault=self._audits.fault,
            loop_failures=dict(parts.supervisor.failures),
            failing_loops=self.failing_loops,
            clock_faults=self.clock_faults,
        )

    def _shared(self) -> dict[str, Any]:
        """What other servers may have in memory, too: users and packets, each counted once on all of them."""
        parts, peers = self._parts, self._parts.peers
        user_ids, packets = parts.hub.user_ids(), len(parts.services.live_packets)
        if peers is None:
            return {"users_online": len(user_ids), "live_packets": packets}
        copies = peers.copies()
        return {
            "users_online": len(user_ids) - peers.counted_elsewhere(user_ids),
            "live_packets": packets - copies,
            "packet_copies": copies,
            "peers": peers.figures(),
        }

    def _hottest(self) -> tuple[HotPacket, ...]:
        live = self._parts.services.live_packets.get
        return tuple(
            HotPacket(str(packet_id), opens, _left_shares(live(packet_id)))
            for packet_id, opens in self._hot_packets.top()
        )

    def _webhooks(self) -> WebhookFigures:
        delivery, now_ms = self._parts.services.webhook_delivery, self._now_ms()
        queues = {
            one.name: WebhookQueue(
                one.state, one.waiting, 0.0 if one.oldest_ms is None else max(0, now_ms - one.oldest_ms) / 1000
            )
            for one in delivery.queues
        }
        return WebhookFigures(dict(delivery.results), delivery.in_flight, queues)

    def _about_others(self) -> dict[str, Any]:
        """The books, and the ties to other servers."""
        peers, nats = self._parts.peers, self._parts.services.nats
        links = None if peers is None else peers.links()
        return {**self._money(), "links": links, "nats_up": None if nats is None else nats.is_up}

    def _money(self) -> dict[str, Any]:
        """What was moved here, and what is known of the books of others: host wallet and bank."""
        others = {"payments": self._payments(), "bank": self._bank()}
        kept = {"campaigns": self._campaigns(), "risk": risk_figures(self._parts.services.risk)}
        return {**others, **kept, "money_fen": self._money_fen()}

    def _campaigns(self) -> CampaignFigures | None:
        campaigns = self._parts.services.campaigns
        keeper, shakes = campaigns.keeper, {one.value: count for one, count in campaigns.shakes.results.items()}
        open_ones = len(campaigns.board.all())
        if not open_ones and not any(shakes.values()):
            return None
        return CampaignFigures(
            shakes, open_ones, len(keeper.book.held), keeper.reclaimed, keeper.leased_fen, keeper.returned_fen
        )

    def _payments(self) -> OpenPayments | None:
        payments, now_ms = self._parts.services.payments.attempts, self._now_ms()
        if payments is None:
            return None
        waiting: Counts = dict.fromkeys(map(str, OPEN), 0)
        oldest_s, figures = dict.fromkeys(waiting, 0.0), payments.figures or ()
        for one in filter(lambda figure: figure.kind, figures):
            waiting[one.state] += one.payments
            oldest_s[one.state] = max(oldest_s[one.state], (now_ms - (one.oldest_ms or now_ms)) / 1000)
        breaks = sum(one.payments for one in figures if not one.kind)
        away = tuple(name for name, gateway in payments.gateways.items() if gateway.is_away)
        return OpenPayments(waiting, oldest_s, breaks, away, payments.figures is not None)

    def _bank(self) -> BankFigures | None:
        figures = self._parts.services.reconciliation.statements.figures
        if figures is None:
            return None
        breaks = figures.breaks.items()
        counts = {name: one.breaks for name, one in breaks}
        return BankFigures(dict(figures.overdue_s), counts, {name: one.oldest_s for name, one in breaks})

    def _money_fen(self) -> Counts:
        services = self._parts.services
        moved_fen, refunds = services.wallets.moved_fen, services.refunds
        won_fen = services.campaigns.keeper.redriven_fen
        return {
            "topped_up": moved_fen[ledger.TransferKind.TOP_UP],
            "withdrawn": moved_fen[ledger.TransferKind.WITHDRAW],
            "sent": services.sends.sent_fen,
            "claimed": services.commit.recorded_fen + services.reload.found_fen + refunds.redriven_fen + won_fen,
            "refunded": refunds.refunded_fen,
        }

    @property
    def state_now(self) -> State:
        """The state, where `draining` comes from the dispatch."""
        return "draining" if self._parts.dispatch.draining else self.state

    @property
    def current(self) -> bool:
        """The server knows what other servers have changed."""
        return self._parts.services.changes.is_current

    @property
    def failing_loops(self) -> dict[str, str]:
        """The loops that fail now, each with its last error."""
        return dict(self._parts.supervisor.failing)

    @property
    def clock_faults(self) -> tuple[str, ...]:
        """Which clocks are wrong, in words."""
        return tuple(self._parts.services.time.faults)

    def stores(self) -> dict[str, StoreState]:
        """Which stores take writes, and since when."""
        services = self._parts.services
        for name, health, effect in (
            *((name, health, "") for name, health in services.sets_health.items()),
            ("redis", services.mirror_health, f"; {WITHOUT_REDIS[self._durability]}"),
        ):
            before = self._stores.get(name)
            since_ms = self._now_ms() if before is None or before.up != health.is_up else before.since_ms
            why = "" if health.is_up else health.why + effect
            partly = f"{away}; {WITHOUT_A_NODE[self._durability]}" if (away := health.partly_away) else ""
            warning = "; ".join(filter(None, (partly, health.warning)))
            self._stores[name] = StoreState(health.is_up, since_ms, why, warning, bool(away))
        return dict(self._stores)

    def refresh(self, sample: Sample) -> Sample:
        """The sample with what must not be a second old, and costs nothing to read."""
        return replace(
            sample,
            state=self.state_now,
            stores=self.stores(),
            current=self.current,
            failing_loops=self.failing_loops,
            clock_faults=self.clock_faults,
        )


def _left_shares(live: LivePacket | None) -> int | None:
    return None if live is None or live.packet is None else live.packet.terms.shares - live.durable


def _by_name(counts: Mapping[Any, int]) -> Counts:
    return {reason.name.lower(): count for reason, count in counts.items()}


def _snake_case(name: str) -> str:
    """SendPacket: send_packet."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


KIND_NAMES: Final[dict[type[messages.Message], str]] = {
    kind: _snake_case(kind.__name__) for kind in messages.FROM_CLIENT
}
