"""Which user or conversation a typed word means."""

from __future__ import annotations

from client_sim.chat import group_requests
from client_sim.chat.commands import BadCommand
from client_sim.chat.session import Session
from client_sim.sdk.names import user_id_of


async def find_users(session: Session, names: str) -> tuple[int, ...]:
    """The users of a list with commas between the names."""
    return tuple([await find_user(session, word) for word in names_in(names)])


def names_in(words: str) -> list[str]:
    """The names of a list, as a person types it."""
    return [word.strip() for word in words.replace("，", ",").replace("、", ",").split(",") if word.strip()]


async def find_user(session: Session, user: str) -> int:
    """A user by id, by the name of a member on the screen, or by the name that the id is derived from.

    A name that no user has is refused, so that a typing error sends no money.
    """
    try:
        derived = user_id_of(user)
    except ValueError:
        raise BadCommand("no_such_user", "to", user) from None
    if user.isascii() and user.isdigit():
        return derived
    here = [] if session.model.current_id == session.model.user_id else await group_requests.members(session)
    await session.learn_names([derived], again=True)
    found = session.model.names.with_name(user, [*here, *([] if derived in here else [derived])])
    if derived in found:
        return derived
    if len(found) != 1:
        raise BadCommand("no_such_user" if not found else "ambiguous_user", "to", user)
    return found[0]


def find_group(session: Session, group: str) -> int:
    """A conversation by its id or name; "inbox" is the user's own."""
    conversations = session.model.conversations
    if group == "inbox":
        return session.model.user_id
    found = [one for one, known in conversations.items() if group in (str(one), known.name)]
    if len(found) != 1:
        raise BadCommand("no_such_group" if not found else "ambiguous_group", "go", group)
    return found[0]
