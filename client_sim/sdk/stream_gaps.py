"""How far each stream was followed. Pure: posts and pages come in; what to hand on and what to ask for comes out.

The posts of a stream are numbered 1, 2, 3, … without a gap. So a post whose number does not follow the last one
shows that something was missed, and the stream lags until its pages have filled the gap. And one whose number is
known is a repeat, as when a server that lost the answer of its store posts once more: it is handed on once.
"""

from __future__ import annotations

from collections.abc import Mapping

from client_sim.sdk.pushes import Numbered
from protocol import messages


class Stream:
    """`last` was handed on; `heard` is the highest number known to exist. The stream lags while they differ."""

    __slots__ = ("heard", "last")

    def __init__(self, last: int) -> None:
        self.last = last
        self.heard = last


class StreamGaps:
    """Every stream of one user, by its id."""

    __slots__ = ("_streams",)

    def __init__(self, positions: Mapping[int, int]) -> None:
        """`positions`: the number of the last post that the app has, for the streams it remembers."""
        self._streams = {stream_id: Stream(last) for stream_id, last in positions.items()}

    @property
    def positions(self) -> dict[int, int]:
        """The number of the last post handed on, by stream."""
        return {stream_id: stream.last for stream_id, stream in self._streams.items()}

    def lagging(self) -> dict[int, int]:
        """The streams of which posts exist that were not handed on, each with its last post that was."""
        return {stream_id: stream.last for stream_id, stream in self._streams.items() if stream.last < stream.heard}

    def follow(self, stream_id: int, last_message: int) -> None:
        """Follow a stream from here; if it is followed already, it stands at least there."""
        stream = self._streams.setdefault(stream_id, Stream(last_message))
        stream.heard = max(stream.heard, last_message)

    def forget(self, stream_id: int) -> None:
        """Follow a stream no longer."""
        self._streams.pop(stream_id, None)

    def welcomed(self, welcome: messages.Welcome) -> None:
        """A login tells which streams there are and where they stand now. Others are followed no longer."""
        told = {welcome.user_id: 0}  # the inbox exists even if nothing ever came
        told.update((place.stream_id, place.last_message) for place in welcome.places)
        self._streams = {stream_id: stream for stream_id, stream in self._streams.items() if stream_id in told}
        for stream_id, last_message in told.items():
            self.follow(stream_id, last_message)

    def pushed(self, post: Numbered) -> bool:
        """Whether a live post is the next of its stream, to be handed on. If not: it is old, or the stream lags."""
        stream = self._streams.get(post.stream_id)
        if stream is None:  # joined from another device, or the reply to a join is still on its way
            self._streams[post.stream_id] = Stream(post.message)
            return True
        is_next = stream.last == stream.heard and post.message == stream.last + 1
        stream.heard = max(stream.heard, post.message)
        if is_next:
            stream.last = post.message
        return is_next

    def caught_up(self, page: messages.CaughtUp) -> list[Numbered]:
        """The posts of a page that are new; on a reload there are none, and the stream stands where it says."""
        stream = self._streams.get(page.stream_id)
        if stream is None:
            return []
        stream.heard = max(stream.heard, page.last_message)
        if page.reload:
            stream.last = page.last_message
            return []
        fresh = [post for post in page.messages if post.message > stream.last]
        if fresh:
            stream.last = fresh[-1].message
        return fresh
