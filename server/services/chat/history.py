"""Recent messages of groups in memory: read once, by pieces, for all who catch up on them.

A recorded message never changes, and numbers run without a gap. So a piece (PIECE numbers of one stream) that is
full never changes either, and the last one only grows.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final, NamedTuple

from server.core.limits import Limits
from server.services.chat.posts import PostReader
from server.services.runtime.batching import Batcher
from server.services.runtime.events import Posted, TextPost
from storage.postgres.chat.messages import MessageStore, Stretch

PIECE: Final = 50
BATCH_MAX: Final = 8  # pieces read at once: more would hold the loop for longer than 10 ms
_POST_BYTES: Final = 400  # of the objects that one post is made of


class KeptPost:
    """A message, and what the wire made of it for each kind of reader, so that it is encoded once."""

    __slots__ = ("encoded", "post", "size")

    def __init__(self, post: Posted) -> None:
        self.post = post
        self.encoded: dict[bool, bytes] = {}  # by whether its reader knows what it is
        # about how many bytes it takes, the encoded text included
        self.size = _POST_BYTES + (2 * len(post.text.encode()) if isinstance(post, TextPost) else 0)


class PieceKey(NamedTuple):
    """Piece `place` of a stream begins with message place × PIECE + 1; `last` is the last one wanted of it."""

    stream_id: int
    place: int
    last: int


class RecentHistory:
    """At most `limits.history_bytes_max` are kept; the pieces that were read least recently go first.

    Raises RequestRefused (OVERLOADED, if too many pieces wait to be read).
    """

    def __init__(self, store: MessageStore, reader: PostReader, limits: Limits) -> None:
        self._store = store
        self._reader = reader
        self._limits = limits
        self._pieces: OrderedDict[tuple[int, int], list[KeptPost]] = OrderedDict()
        self._loading: dict[PieceKey, asyncio.Future[list[KeptPost]]] = {}
        self._bytes = 0
        self.batcher: Batcher[PieceKey, list[KeptPost]] = Batcher(self._load, BATCH_MAX, limits)

    async def read(self, stream_id: int, after: int, last: int) -> list[KeptPost]:
        """The messages after number `after` up to `last`, which is recorded."""
        found: list[KeptPost] = []
        if last <= after:
            return found
        for place in range(after // PIECE, (last - 1) // PIECE + 1):
            piece = await self._piece(PieceKey(stream_id, place, min(last, (place + 1) * PIECE)))
            found += piece[max(0, after - place * PIECE) : last - place * PIECE]
        return found

    async def _piece(self, key: PieceKey) -> list[KeptPost]:
        kept = self._pieces.get(key[:2])
        if kept is not None and len(kept) >= key.last - key.place * PIECE:
            self._pieces.move_to_end(key[:2])
            return kept
        loading = self._loading.get(key)
        if loading is None:
            loading = self._loading[key] = self.batcher.submit(key)
            loading.add_done_callback(lambda done: self._loaded(key, done))
        return await asyncio.shield(loading)  # others may wait for it, too

    def _loaded(self, key: PieceKey, done: asyncio.Future[list[KeptPost]]) -> None:
        self._loading.pop(key, None)
        if not done.cancelled():
            done.exception()  # those who asked may be gone

    async def _load(self, keys: list[PieceKey]) -> Sequence[list[KeptPost]]:
        lasts: dict[tuple[int, int], int] = {}
        for key in keys:
            lasts[key[:2]] = max(lasts.get(key[:2], 0), key.last)
        before = {place: list(self._pieces.get(place, ())) for place in lasts}
        stretches = [
            Stretch(stream_id, place * PIECE + len(before[stream_id, place]) + 1, last)
            for (stream_id, place), last in lasts.items()
            if place * PIECE + len(before[stream_id, place]) < last  # it may have been read meanwhile
        ]
        rows = await self._store.between(stretches) if stretches else []
        posts = iter(await self._reader.read(rows))
        for row, post in zip(rows, posts, strict=True):
            before[row.stream_id, (row.message - 1) // PIECE].append(KeptPost(post))
        for place, piece in before.items():
            self._keep(place, piece)
        return [before[key[:2]] for key in keys]

    def _keep(self, place: tuple[int, int], piece: list[KeptPost]) -> None:
        self._bytes += sum(one.size for one in piece) - sum(one.size for one in self._pieces.pop(place, ()))
        self._pieces[place] = piece
        while self._bytes > self._limits.history_bytes_max and self._pieces:
            _, oldest = self._pieces.popitem(last=False)
            self._bytes -= sum(one.size for one in oldest)
