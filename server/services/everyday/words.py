"""The words of password packets (口令红包): hidden at the send, said in the chat by users who open the packet."""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from server.core.decisions import Answer
from server.core.limits import Limits, check_text
from server.core.packet_request import Terms
from server.core.refusals import Reason, RequestRefused
from server.services.chat.groups import GroupService
from server.services.packets.audience import groups_of
from server.services.packets.awaited import AwaitedReplies
from server.services.packets.grab_open import GrabOpenService
from server.services.packets.live_packets import LivePackets
from server.services.packets.requests import GrabRequest
from server.services.runtime.batching import Batcher
from server.services.runtime.bus import LOCAL, Bus
from server.services.runtime.events import TextPost
from storage.errors import StoreUnavailable
from storage.postgres.chat.messages import Post
from storage.postgres.packets.words import Saying, Spoken, WordsOutcome, WordsStore

LOG = structlog.get_logger()
BATCH_MAX: Final = 500
USE: Final = b"hongbao words of packets"  # what is made of a seed key for this use alone
SALT_BYTES: Final = 16
PASSES: Final = (Answer.TICKET, Answer.BUSY)  # of a grab: the user has said the words before


def normal(words: str) -> str:
    """Words as they are compared: in one form of Unicode (NFKC), without spaces around them."""
    return unicodedata.normalize("NFKC", words).strip()


class WordsWrong(RequestRefused):
    """The words do not fit; `left`: how many attempts the user still has."""

    def __init__(self, left: int) -> None:
        super().__init__(Reason.WORDS_WRONG, f"words: they do not fit, attempts left: {left}")
        self.left = left


class SentWords(Protocol):
    """Knows what sends have recorded."""

    @property
    def words_before(self) -> Callable[[int, str], Awaitable[str]]:
        """The hidden words of the send of a sender with a key; "" if there is none, or it has no words."""
        ...


class HiddenWords:
    """Hides words under keys that are not in the database; the last one hides, all compare.

    They are short, so a hash without a key would give them away with a dump of the database, and one slow enough to
    prevent that would stall the loop at each attempt. The salt follows from sender and idempotency key: a send that
    is repeated hides its words in the same way.
    """

    def __init__(self, keys: Mapping[str, bytes], limits: Limits) -> None:
        self._limits = limits
        self.use_keys(keys)

    def use_keys(self, keys: Mapping[str, bytes]) -> None:
        """Hide and compare with these keys from now on."""
        self._keys = {key_id: hmac.digest(key, USE, "sha256") for key_id, key in keys.items()}

    def checked(self, words: str) -> str:
        """The words as they are compared. Raises RequestRefused (BAD_WORDS) if no packet could have them."""
        for form in (words.strip(), normal(words)):
            check_text("words", form, 1, self._limits.words_bytes_max, Reason.BAD_WORDS)
        return normal(words)

    async def of_send(self, sends: SentWords, sender_id: int, key: str, words: str) -> str:
        """What is recorded of the words of a send; a repeated one hides them under the key of then, if it is here.

        "" without words. Raises RequestRefused (BAD_WORDS).
        """
        if not words:
            return ""
        self.checked(words)
        return self.hide(sender_id, key, words, await sends.words_before(sender_id, key))

    def hide(self, sender_id: int, key: str, words: str, before: str = "") -> str:
        """Hide words, as `before` if it is not empty. Raises RequestRefused (BAD_WORDS)."""
        said, key_id = self.checked(words), before.partition("$")[0]
        if key_id not in self._keys:
            key_id = next(reversed(self._keys))
        salt = hmac.digest(self._keys[key_id], b"salt" + sender_id.to_bytes(8, "big") + key.encode(), "sha256")
        salt = salt[:SALT_BYTES]
        return f"{key_id}${salt.hex()}${self._mac(key_id, salt, said).hex()}"

    def fit(self, hidden: str, words: str) -> bool:
        """Whether these are the words, which are `checked`."""
        key_id, salt, mac = hidden.split("$")
        if key_id not in self._keys:
            LOG.critical("words_key_is_missing", key_id=key_id)
            return False
        return hmac.compare_digest(self._mac(key_id, bytes.fromhex(salt), words), bytes.fromhex(mac))

    def _mac(self, key_id: str, salt: bytes, words: str) -> bytes:
        return hmac.digest(self._keys[key_id], salt + words.encode(), "sha256")


class WordsService:
    """Use case say words. Raises RequestRefused, StoreUnavailable."""

    def __init__(
        self,
        store: WordsStore,
        hidden: HiddenWords,
        packets: LivePackets,
        opens: GrabOpenService,
        replies: AwaitedReplies,
        groups: GroupService,
        limits: Limits,
        now_ms: Callable[[], int],
        bus: Bus,
    ) -> None:
        self._store = store
        self._hidden = hidden
        self._packets = packets
        self._opens = opens
        self._replies = replies
        self._groups = groups
        self._limits = limits
        self._now_ms = now_ms
        self._bus = bus
        self.batcher: Batcher[Saying, Spoken] = Batcher(self._record, BATCH_MAX, limits)

    async def say(self, user_id: int, packet_id: int, words: str) -> Answer:
        """Say the words of a packet. TICKET: they are right, and a grab is answered as for any other packet.

        Right words are posted in the chat, once for each user. Otherwise what a grab would answer without words:
        CLAIMED, GONE, EXPIRED, NOT_ALLOWED. Raises RequestRefused: BAD_WORDS, WORDS_WRONG, WORDS_SPENT.
        """
        said = self._hidden.checked(words)
        reply, seq = self._replies.expect(packet_id)
        self._opens.grab(GrabRequest(packet_id, user_id, self._now_ms(), LOCAL, seq))
        grabbed, seen = await reply
        if grabbed.answer is not Answer.WORDS_NEEDED or seen is None:
            return Answer.TICKET if grabbed.answer in PASSES else grabbed.answer
        group_id = await self._group_of(user_id, packet_id, seen.packet.terms)
        post = Post(group_id, user_id, self._now_ms(), words.strip(), None)
        spoken = await self.batcher.submit(Saying(packet_id, user_id, post, said))
        if spoken.outcome is WordsOutcome.SPENT:
            raise RequestRefused(Reason.WORDS_SPENT)
        if spoken.outcome is WordsOutcome.WRONG:
            left = max(0, self._limits.words_attempts_max - spoken.attempts)
            raise WordsWrong(left)
        self._packets.said(packet_id, user_id)
        if spoken.message:  # otherwise it was said before, or another set numbers it (see set_posts)
            event = TextPost(group_id, spoken.message, user_id, post.at_ms, post.text or "")
            self._bus.publish(event, self._groups.members(group_id))
        return Answer.TICKET

    async def _group_of(self, user_id: int, packet_id: int, terms: Terms) -> int:
        """Where the user sees the packet: first the group that it was sent to."""
        live = self._packets.get(packet_id)
        group_ids = groups_of(terms, live.also_in if live is not None else ())
        await self._groups.keep(group_ids)
        return next((one for one in group_ids if user_id in self._groups.members(one)), terms.target_id)

    async def _record(self, sayings: list[Saying]) -> Sequence[Spoken | Exception]:
        most = self._limits.words_attempts_max
        spoken = await self._store.say(sayings, self._hidden.fit, most, self._now_ms())
        return [
            RequestRefused(Reason.STORE_UNAVAILABLE, str(one)) if isinstance(one, StoreUnavailable) else one
            for one in spoken
        ]
