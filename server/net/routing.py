"""What the sockets need of the peers to other servers. A server without peers has no router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from server.net.session import Session

Owned: TypeAlias = Literal["packet", "user"]


class Router(Protocol):
    """Sends requests to their owners, and says when other servers know of a user who came."""

    def forward(self, session: Session, request: Any, owned: Owned, /) -> bool:
        """Whether another server serves this request; its reply goes to the session by itself."""
        ...

    def gone(self, session: Session, /) -> None:
        """A connection was lost."""
        ...

    async def noted(self) -> None:
        """Until other servers send here what happens to the users who have just come."""
        ...

    async def pass_told(self, user_id: int, group_id: int) -> None:
        """Until other servers know the pass that a user has shown here."""
        ...
