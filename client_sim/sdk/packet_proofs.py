"""Requests of the SDK about sends and their proofs. `Client` is the one class that has them."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence

from client_sim.sdk.connection import Connection
from client_sim.sdk.kept_seeds import KeptSeeds, Verdict
from protocol import messages

SECRET_BYTES = 32


class PacketProofs:
    """Send with a client seed, keep what the server commits to, check the proof."""

    _connection: Connection

    def __init__(self) -> None:
        self.kept_seeds = KeptSeeds()
        self._secret = secrets.token_bytes(SECRET_BYTES)

    async def send_packet(
        self,
        kind: str,
        target_id: int,
        amount_fen: int,
        shares: int = 1,
        greeting: str = "",
        key: str | None = None,
        client_seed: bytes | None = None,
        *,
        card_id: int = 0,
        password: str = "",
        for_user_ids: Sequence[int] = (),
        words: str = "",
        send_at_ms: int = 0,
    ) -> messages.PacketSent:
        """Send a packet: `lucky`, `equal`, `exclusive`, `password` to a group, `personal`, `fission` to a user or a
        one-to-one chat.

        `for_user_ids`: the members of the group whom an exclusive packet is for; it has one share for each of them.
        `words`: what users say to open a password packet; they are stored nowhere until a user says them. A fission
        packet has at least three shares: its receiver opens the first, friends to whom it is passed on the others.
        `send_at_ms`: when it is posted, at most 30 days ahead; the money is taken at once. See `scheduled`.
        `amount_fen`: the total (lucky, password, personal, fission), or that of one share (equal, exclusive).

        The idempotency key is made here: money moves once, also if the request is repeated after a lost connection,
        or if the app calls again with the same content after TimedOut or another temporary failure. Give `key` (1
        to 64 bytes, so not an empty one) to keep that promise across restarts of the app. `client_seed` (16 to 32
        bytes; by default random bytes, b"" for none) goes into the packet's seed, so that the server alone cannot
        choose the shares; of a repeated send the first one counts. `card_id`: the card that pays the whole packet,
        with the pay `password`; 0: the wallet, with the password if it is needed.

        Raises NotEnoughMoney, NotAMember, NoSuchUser, BadAmount, BadShares, BadReceivers, BadWords, BadTime,
        KeyReused, StoreUnavailable, …; with a card also BadCard, PasswordNeeded, PasswordWrong, PasswordLocked,
        LimitReached, BankDeclined, BankUnknown, BankAway.
        """
        shares = len(for_user_ids) or shares
        content = kind, target_id, amount_fen, shares, greeting, client_seed or b"", card_id, password
        request = messages.SendPacket(0, "", *content, list(for_user_ids), words, send_at_ms)

        def give_seed() -> None:
            if client_seed is None:  # a retry has the same key, and so the same seed
                request.client_seed = hmac.digest(self._secret, request.key.encode(), "sha256")

        sent = await self._connection.ask_with_key(request, key, messages.PacketSent, give_seed)
        is_certain = client_seed is not None or key is None
        self.kept_seeds.sent(sent, request.client_seed, is_certain=is_certain)
        return sent

    async def seed_trees(self) -> messages.SeedTrees:
        """The roots that the server commits to for my next packets; asked before a send, `verify` checks them."""
        trees = await self._connection.ask(messages.GetSeedTrees(0), messages.SeedTrees)
        self.kept_seeds.told(trees)
        return trees

    async def reveal(self, packet_id: int) -> messages.Revealed:
        """The proof of a packet that is finished or refunded. Raises NotFinished, NotAllowed."""
        return await self._connection.ask(messages.Reveal(0, packet_id), messages.Revealed)

    async def verify(self, packet_id: int) -> Verdict:
        """Check the proof of a packet, also against what this client kept. Raises NotFinished, NotAllowed."""
        return self.kept_seeds.check(await self.reveal(packet_id))
