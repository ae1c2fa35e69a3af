"""The methods of `Client` that deal with packets."""

from __future__ import annotations

import secrets
from typing import Final, Literal

from client_sim.sdk.ask import Requests
from client_sim.sdk.backoff import patiently
from client_sim.sdk.errors import Busy
from client_sim.sdk.renames import keyword_renamed, renamed
from protocol import messages

OPEN_PATIENCE_S: Final = 10.0
CLIENT_SEED_BYTES: Final = 16


class PacketMethods(Requests):
    """Send, grab and open, pages, records, proofs."""

    async def send_packet(
        self,
        kind: str,
        target_id: int,
        amount_fen: int,
        shares: int = 1,
        greeting: str = "",
        key: str | None = None,
        client_seed: bytes | Literal["random"] | None = "random",
    ) -> messages.PacketSent:
        """Send a packet: `lucky` or `equal` to a group, `personal` to a user or a one-to-one chat.

        `amount_fen` is the total (lucky, personal) or the amount of one share (equal). The idempotency key is made
        here: money moves once, also if the request is repeated after a lost connection, or if the app calls again
        with the same content after TimedOut or another temporary failure. Give `key` (1 to 64 bytes) to keep that
        promise across restarts of the app.

        `client_seed`: 16 to 32 bytes that the server cannot foresee. They go into the amounts, and the proof shows
        them. Give your own to compare them with the proof; None or b"" sends none. A repeated send keeps the first.

        Raises NotEnoughMoney, NotAMember, NoSuchUser, BadAmount, BadShares, KeyReused, StoreUnavailable, ….
        """
        seed = secrets.token_bytes(CLIENT_SEED_BYTES) if client_seed == "random" else client_seed or b""
        request = messages.SendPacket(0, key or "", kind, target_id, amount_fen, shares, greeting, seed)
        return await self._ask_with_key(request, messages.PacketSent)

    async def grab(self, packet_id: int) -> messages.Grabbed:
        """Tap a packet: can it still be opened? Every answer is a value, `not_allowed` too."""
        return await self._ask(messages.Grab(0, packet_id), messages.Grabbed)

    async def open(self, packet_id: int, patience_s: float = OPEN_PATIENCE_S) -> messages.Opened:
        """Grab and open in one. Answers `won`, `claimed`, `gone`, `expired` or `not_allowed`; again is harmless.

        While the packet is busy or a refusal is temporary, this waits as the server says and retries, for
        `patience_s`. After that it raises Busy or the last refusal.
        """
        return await patiently(lambda: self._grab_and_open(packet_id), patience_s)

    async def _grab_and_open(self, packet_id: int) -> messages.Opened:
        grabbed = await self.grab(packet_id)
        if grabbed.answer == "busy":
            raise Busy(packet_id, grabbed.retry_after_ms)
        if grabbed.answer != "ticket":
            return messages.Opened(0, packet_id, grabbed.answer, grabbed.amount_fen, grabbed.index)
        return await self.open_with(packet_id, grabbed.ticket)

    async def open_with(self, packet_id: int, ticket: int) -> messages.Opened:
        """Open with the ticket of a grab or a page. Raises NoTicket if it has lapsed: tap again."""
        return await self._ask(messages.Open(0, packet_id, ticket), messages.Opened)

    async def send_again(self, packet_id: int, group_id: int = 0) -> messages.SentAgain:
        """Push my unfinished packet again: where it was sent first (0), or to another group of mine, whose members
        may then open it. Not repeated automatically: raises ConnectionLost if in flight.

        Raises NotAllowed (not mine), Finished, NotAMember, Refusal (bad_target, too_many_groups).
        """
        return await self._ask(messages.SendAgain(0, packet_id, group_id), messages.SentAgain)

    async def open_page(self, packet_id: int, language: str = "zh") -> messages.OpenPageShown:
        """Tap a packet: the page to draw, and the ticket if it may be opened, in one round trip."""
        return await self._ask(messages.OpenPage(0, packet_id, language), messages.OpenPageShown)

    @keyword_renamed("watch", "subscribe")
    async def result_page(
        self, packet_id: int, language: str = "zh", before_index: int = 0, subscribe: bool = False
    ) -> messages.ResultPageShown:
        """The claims of a packet, as far as this user may see them. `before_index`: the claims before that one.

        `subscribe`: later claims are pushed (ResultUpdate) if the page says `watched`, until `unsubscribe`, the
        finish, or the end of the connection: subscribe again after a reconnect. Raises NotAllowed.
        """
        request = messages.ResultPage(0, packet_id, language, before_index, subscribe)
        return await self._ask(request, messages.ResultPageShown)

    async def unsubscribe(self, packet_id: int) -> None:
        """No more pushes of this packet's claims; again is harmless."""
        await self._ask(messages.StopWatching(0, packet_id), messages.WatchingStopped)

    stop_watching = renamed("stop_watching", unsubscribe)  # the old name, for one version more

    async def records(
        self, direction: str, year: int = 0, before_at_ms: int = 0, before_packet_id: int = 0
    ) -> messages.RecordsShown:
        """What I `sent` or `received` in a year (0: this one), newest first; `before_…`: older than that line."""
        request = messages.Records(0, direction, year, before_at_ms, before_packet_id)
        return await self._ask(request, messages.RecordsShown)

    async def reveal(self, packet_id: int) -> messages.Revealed:
        """The proof of a packet that is finished or refunded. Raises NotFinished, NotAllowed."""
        return await self._ask(messages.Reveal(0, packet_id), messages.Revealed)

    async def seed_trees(self) -> messages.SeedTrees:
        """The roots of the server seeds of my next packets. Keep them before you send, and compare the proofs."""
        return await self._ask(messages.GetSeedTrees(0), messages.SeedTrees)
