"""Which posts of which streams are missing. Pure: posts and pages come in, posts to hand on come out.

The posts of a stream are numbered 1, 2, 3, … without a gap. A post whose number is not the next one shows that
posts were missed: the stream lags until pages have filled the gap. A post with a known number is a repeat, as when
a server posts again because the reply of its store was lost: it is dropped. A position beyond the end of a stream,
as after the restore of a backup, lags too: the page says where the stream ends, and it goes on there.
"""

from __future__ import annotations

from collections.abc import Mapping

from client_sim.sdk.pushes import Numbered
from protocol import messages


class Stream:
    """`last` was handed on; `newest` is the highest number known to exist. The stream lags while they differ."""

    __slots__ = ("last", "newest")

    def __init__(self, last: int) -> None:
        self.last = last
        self.newest = last


class StreamGaps:
    """Every stream of one user, by its id."""

    __slots__ = ("_streams",)

    def __init__(self, positions: Mapping[int, int]) -> None:
        """`positions`: the number of the last post that the app has, for the streams that it knows."""
        self._streams = {stream_id: Stream(last) for stream_id, last in positions.items()}

    @property
    def positions(self) -> dict[int, int]:
        """The number of the last post handed on, by stream."""
        return {stream_id: stream.last for stream_id, stream in self._streams.items()}

    def lagging(self) -> dict[int, int]:
        """The streams with posts that were not handed on, each with the number of the last post that was."""
        return {
            stream_id: stream.last for stream_id, stream in self._streams.items() if stream.last != stream.newest
        }

    def follow(self, stream_id: int, last_message: int) -> None:
        """Follow a stream from here. One that is followed already has at least this many posts."""
        stream = self._streams.setdefault(stream_id, Stream(last_message))
        stream.newest = max(stream.newest, last_message)

    def forget(self, stream_id: int) -> None:
        """Do not follow a stream any longer."""
        self._streams.pop(stream_id, None)

    def welcomed(self, welcome: messages.Welcome) -> None:
        """A login lists this user's streams and their last posts. Other streams are not followed any longer."""
        listed = {welcome.user_id: 0}  # the inbox exists even if it is empty
        listed.update((place.stream_id, place.last_message) for place in welcome.places)
        self._streams = {stream_id: stream for stream_id, stream in self._streams.items() if stream_id in listed}
        for stream_id, last_message in listed.items():
            self.follow(stream_id, last_message)
            if self._streams[stream_id].last > last_message:
                self._streams[stream_id].newest = last_message

    def pushed(self, post: Numbered) -> bool:
        """Whether a pushed post is the next of its stream, to be handed on. If not: a repeat, or after a gap."""
        stream = self._streams.get(post.stream_id)
        if stream is None:  # joined on another device, or the reply to a join has not arrived yet
            self._streams[post.stream_id] = Stream(post.message)
            return True
        is_next = stream.last == stream.newest and post.message == stream.last + 1
        stream.newest = max(stream.newest, post.message)
        if is_next:
            stream.last = post.message
        return is_next

    def caught_up(self, page: messages.CaughtUp) -> list[Numbered]:
        """The new posts of a page. After a reload there are none, and the stream goes on where the page says."""
        stream = self._streams.get(page.stream_id)
        if stream is None:
            return []
        stream.newest = max(stream.newest, page.last_message)
        if is_reload(page, stream.last):
            stream.last = page.last_message
            return []
        fresh = [post for post in page.messages if post.message > stream.last]
        if fresh:
            stream.last = fresh[-1].message
        elif not page.messages:  # what came before this user joined (again) is not theirs
            stream.last = max(stream.last, page.last_message)
        return fresh


def is_reload(page: messages.CaughtUp, after: int) -> bool:
    """The posts behind number `after` cannot be had: they are too many, or the stream ends before that number."""
    return page.reload or page.last_message < after
