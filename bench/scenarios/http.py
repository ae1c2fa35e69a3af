"""Scenarios of the HTTP API: a chat backend sends and opens on behalf of users, over keep-alive connections.

`http-send`: each send goes to a group of its sender, as in the scenario `send`. `http-open`: each open is a grab
and an open in one, of packets as in the scenario `opens`. `http`: one send for two opens, at the same time.

Each connection makes the requests of one user, one at a time, as HTTP demands; in an open loop a request that finds
its connection busy waits, and the wait counts. All requests are signed before the clock starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final, TypeAlias

from bench.load import load, usage
from bench.load.http_transport import HttpConnection, Signer
from bench.load.load import Work, arrivals, user_order
from bench.load.outcome import Outcome, summarize
from bench.load.run_spec import GeneratorSpec
from bench.load.setup import GROUP, Say, SetupFailed
from bench.load.transport import MeasuredConnection
from bench.scenarios.basic import SEND_SHARES, SHARE_FEN
from bench.scenarios.scenario import Operations, Standard, whole_groups
from protocol import messages

SENDING_OF: Final = 3  # in `http` every third connection sends
KINDS: Final = {messages.PacketSent: "send", messages.Opened: "open"}

Signed: TypeAlias = dict[MeasuredConnection, list[bytes]]


class Http(Operations):
    """An operation is one request."""

    about = "a chat backend sends and opens on behalf of users over HTTP: one send for two opens"
    rate_of = "sends and claims told as won"
    standard = Standard(connections=120, depth=1, requests=30_000, rate_per_s=1_500)
    counted: ClassVar = frozenset({"sent", "won"})
    refuses: ClassVar = ("--depth", "--generators")
    because: ClassVar = "a connection has one request at a time, and one generator reads the server's CPU"
    supports_tls = False
    sections = '[http_api]\naddress = "127.0.0.1:0"\n'
    sending: ClassVar[float] = 1 / SENDING_OF  # the share of the connections that send

    def __init__(self, spec: GeneratorSpec, say: Say) -> None:
        super().__init__(spec, say)
        self._work: Work = {}
        self._signer = Signer(spec.http_key_id, bytes.fromhex(spec.http_key_hex))
        self._cpu_s = 0.0

    async def prepare(self) -> None:
        """Sign every request before the clock starts."""
        if not self.spec.http_url:
            raise SetupFailed("the server has no HTTP API, or it is not on this machine")
        users = max(1, self.run_spec.connections)
        each = -(-self.run_spec.operations // users)
        senders = round(users * self.sending)
        openers = whole_groups(users - senders)
        connections = [
            HttpConnection(self.setup.token(self.spec.first_user + one)) for one in range(senders + openers)
        ]
        await self.setup.log_in(connections, self.spec.http_url)
        self._work = await self._sends(connections[:senders], each) | await self._opens(connections[senders:], each)
        self.connections = len(self._work)
        self.setup.acknowledged.answers.clear()

    async def _sends(
        self, connections: Sequence[HttpConnection], each: int
    ) -> dict[MeasuredConnection, list[bytes]]:
        """Every user gets the money and a group, which is in use before the clock starts."""
        setup, total_fen = self.setup, SEND_SHARES * SHARE_FEN
        friends = [
            self.spec.first_user + whole_groups(self.run_spec.connections) * 2 + one
            for one in range(SEND_SHARES - 1)
        ]
        await setup.fund({one.user_id: total_fen * each for one in connections})
        group_ids = await setup.put_groups([(one.user_id, friends) for one in connections])
        return {
            one: [self._send(one.user_id, group_id, total_fen) for _ in range(each)]
            for one, group_id in zip(connections, group_ids, strict=True)
        }

    def _send(self, sender_id: int, group_id: int, total_fen: int) -> bytes:
        body = {
            "sender_id": str(sender_id),
            "kind": "lucky",
            "target_id": str(group_id),
            "amount_fen": total_fen,
            "shares": SEND_SHARES,
        }
        return self._signer.post("/v1/packets", body, self.setup.new_key())

    async def _opens(
        self, connections: Sequence[HttpConnection], each: int
    ) -> dict[MeasuredConnection, list[bytes]]:
        """An open of every packet of the user's group."""
        packets = await self.setup.make_packets(connections, each, GROUP, SHARE_FEN) if connections else {}
        return {
            one: [
                self._signer.post(f"/v1/packets/{packet_id}/open", {"user_id": str(one.user_id)})
                for packet_id in packets[one]
            ]
            for one in connections
        }

    async def measure(self) -> None:
        """All requests, and the server's CPU meanwhile."""
        pid, run_spec = self.spec.server_pid, self.run_spec
        before_s = usage.exact_cpu_s(pid) if pid else 0.0
        if run_spec.is_open:
            moments = arrivals(run_spec.seed, run_spec.rate_per_s, run_spec.seconds)
            await load.open_loop(self._work, moments, user_order(run_spec.seed, len(self._work)), log=self.log)
        else:
            await load.closed_loop(self._work, run_spec.depth, log=self.log)
        self._cpu_s = usage.exact_cpu_s(pid) - before_s if pid else 0.0

    def outcome(self) -> Outcome:
        """With the server's CPU for each request, and the rates and latencies of sends and opens."""
        outcome, log = super().outcome(), self.log
        for kind, name in KINDS.items():
            ended = [place for place, reply in enumerate(log.replies) if isinstance(reply, kind)]
            part = Outcome(begin_s=outcome.begin_s)
            starts_s, ends_s = [log.starts_s[one] for one in ended], [log.ends_s[one] for one in ended]
            summarize(part, starts_s, ends_s, (True for _ in ended), outcome.end_s)
            if ended:
                outcome.spreads[f"{name}_ms"] = part.latency
                outcome.extra[f"{name}s_per_s"] = round(part.rate_per_s, 1)
        outcome.extra["server_cpu_us_each"] = round(self._cpu_s * 1e6 / max(1, outcome.operations), 1)
        return outcome


class HttpSend(Http):
    """An operation is one send."""

    about = "a chat backend sends packets on behalf of users over HTTP"
    rate_of = "packets told as sent"
    standard = Standard(connections=100, depth=1, requests=20_000, rate_per_s=1_000)
    sending = 1.0


class HttpOpen(Http):
    """An operation is one open."""

    about = "a chat backend opens packets on behalf of users over HTTP: a grab and an open in one request"
    rate_of = "claims told as won"
    standard = Standard(connections=100, depth=1, requests=30_000, rate_per_s=2_000)
    sending = 0.0
