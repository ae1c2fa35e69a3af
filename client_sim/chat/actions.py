"""What each command does, as a table. The outcome is told as events; who typed it may be a person or a script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from client_sim.chat.commands import VERBS, BadCommand, Command
from client_sim.chat.model import OPEN, Card
from client_sim.chat.session import Fields, Session
from client_sim.chat.texts import text
from client_sim.sdk.errors import ClientError, Refusal
from client_sim.sdk.names import user_id_of
from protocol import messages

IN_A_GROUP = frozenset({"say", "send", "equal", "form", "leave", "members", "kick", "who"})


async def run(session: Session, command: Command) -> None:
    """Do it. Raises ClientError, BadCommand."""
    check(session, command)
    await ACTIONS[command.verb](session, **command.values)


def check(session: Session, command: Command) -> None:
    """Raises BadCommand for what can be done in a group only while there is none on the screen."""
    if command.verb in IN_A_GROUP and session.model.current_id == session.model.user_id:
        raise BadCommand("only_in_a_group", command.verb)


def why(error: ClientError) -> str:
    """What went wrong, in words; "" if its name says it all."""
    return error.detail if isinstance(error, Refusal) else str(error)


# --- who and what is meant --------------------------------------------------------------------------------------


def packet_meant(session: Session, packet_id: int = 0) -> int:
    """The packet on the screen that `packet_id` 0 means: the newest that is still open, otherwise the newest."""
    if packet_id:
        return packet_id
    cards = session.model.current.cards()
    still_open = [card for card in cards if card.packet.state == OPEN]
    if not cards:
        raise BadCommand("no_packet", "tap")
    return (still_open or cards)[-1].packet.packet_id


def stream_meant(session: Session, group: str) -> int:
    """A conversation by its id or name; "inbox" is one's own."""
    conversations = session.model.conversations
    if group == "inbox":
        return session.model.user_id
    found = [one for one, known in conversations.items() if group in (str(one), known.name)]
    if len(found) != 1:
        raise BadCommand("no_such_group" if not found else "several_called_so", "go", group)
    return found[0]


async def user_meant(session: Session, who: str) -> int:
    """A user by id, by the name of a member on the screen, or by the name that they come in under.

    A name that nobody goes by is refused, so that no money is sent to a slip of the pen.
    """
    try:
        derived = user_id_of(who)
    except ValueError:
        raise BadCommand("nobody_called_so", "to", who) from None
    if who.isascii() and who.isdigit():
        return derived
    here = [] if session.model.current_id == session.model.user_id else await session.members()
    await session.know([derived], again=True)
    found = session.model.names.called(who, [*here, *([] if derived in here else [derived])])
    if derived in found:
        return derived
    if len(found) != 1:
        raise BadCommand("nobody_called_so" if not found else "several_called_so", "to", who)
    return found[0]


def mine_to_send_again(session: Session) -> int:
    """The newest packet of mine on the screen that is not over."""
    mine = [card for card in session.model.current.cards() if _is_mine_and_open(session, card)]
    if not mine:
        raise BadCommand("nothing_to_send_again", "again")
    return mine[-1].packet.packet_id


def _is_mine_and_open(session: Session, card: Card) -> bool:
    packet = card.packet
    return packet.sender_id == session.model.user_id and packet.state not in ("gone", "expired")


# --- packets ----------------------------------------------------------------------------------------------------


async def _send(session: Session, amount_fen: int, shares: int, greeting: str) -> None:
    await session.send("lucky", session.model.current_id, amount_fen, shares, greeting)


async def _equal(session: Session, amount_fen: int, shares: int, greeting: str) -> None:
    await session.send("equal", session.model.current_id, amount_fen, shares, greeting)


async def _to(session: Session, who: str, amount_fen: int, greeting: str) -> None:
    await session.send("personal", await user_meant(session, who), amount_fen, 1, greeting)


async def _form(session: Session) -> None:
    raise BadCommand("missing", "send", "amount_fen")  # a pipe has no form to fill in


async def _tap(session: Session, packet_id: int) -> None:
    packet_id = packet_meant(session, packet_id)
    page = await session.tap(packet_id)
    texts: Fields = {"greeting": page.greeting, "line": page.line, "button": page.button, "link": page.link}
    sender: Fields = {"user": page.sender_id, "from": page.sender_name}
    session.tell("page", packet=packet_id, answer=page.answer, view=page.view, **sender, **texts)
    if page.result is not None:
        tell_result(session, packet_id, page.result)


async def _open(session: Session, packet_id: int) -> None:
    packet_id = packet_meant(session, packet_id)
    opened = await session.open(packet_id)
    share: Fields = {"amount_fen": opened.amount_fen, "index": opened.index, "left": opened.left_shares}
    session.tell("opened", packet=packet_id, answer=opened.answer, **share)


async def _result(session: Session, packet_id: int) -> None:
    """All pages of it."""
    packet_id = packet_meant(session, packet_id)
    page = await session.result(packet_id)
    tell_result(session, packet_id, page)
    while page.more and page.claims:
        page = await session.result(packet_id, page.claims[-1].index)
        _tell_claims(session, packet_id, page)


def tell_result(session: Session, packet_id: int, page: messages.ResultPageBody) -> None:
    """A result page as events: the page, then its lines, newest first."""
    texts: Fields = {"note": page.note, "summary": page.summary, "button": page.button, "link": page.link}
    count: Fields = {"opened": page.opened, "shares": page.shares}
    sender: Fields = {"user": page.sender_id, "from": page.sender_name, "greeting": page.greeting}
    share: Fields = {"amount_fen": page.amount_fen, **texts}
    session.tell("result", packet=packet_id, kind=page.packet_kind, state=page.state, **count, **sender, **share)
    _tell_claims(session, packet_id, page)


def _tell_claims(session: Session, packet_id: int, page: messages.ResultPageBody) -> None:
    for one in page.claims if page.shows_list else ():
        who: Fields = {"user": one.user_id, "name": one.name, "amount_fen": one.amount_fen}
        best = one.index == page.best_index
        session.tell("share", packet=packet_id, index=one.index, **who, at_ms=one.at_ms, when=one.when, best=best)


async def _again(session: Session, group: str) -> None:
    await session.send_again(mine_to_send_again(session), stream_meant(session, group) if group else 0)


async def _records(session: Session, direction: str, year: int) -> None:
    shown = await session.records(direction, year)
    years = ",".join(map(str, shown.years))
    sums: Fields = {"count": shown.count, "total_fen": shown.total_fen, "best_lucks": shown.best_lucks}
    session.tell("records", direction=direction, year=shown.year, years=years, **sums, more=shown.more)
    for one in shown.lines:
        who: Fields = {"user": one.user_id, "name": one.name, "amount_fen": one.amount_fen}
        count: Fields = {"shares": one.shares, "opened": one.opened, "state": one.state}
        session.tell(
            "record", packet=one.packet_id, kind=one.packet_kind, at_ms=one.at_ms, **who, **count, best=one.is_best
        )


# --- groups -----------------------------------------------------------------------------------------------------


async def _say(session: Session, text: str) -> None:
    await session.say(text)


async def _groups(session: Session) -> None:
    for one in session.model.conversations.values():
        is_here = one.stream_id == session.model.current_id
        session.tell(
            "group", group=one.stream_id, name=one.name, owner=one.owner_id, unread=one.unread, here=is_here
        )


async def _go(session: Session, group: str) -> None:
    await session.go(stream_meant(session, group))


async def _new(session: Session, name: str) -> None:
    await session.create(name)


async def _join(session: Session, group_id: int) -> None:
    await session.join(group_id)


async def _leave(session: Session) -> None:
    await session.leave()


async def _members(session: Session) -> None:
    owner_id = session.model.current.owner_id
    for user_id in await session.members():
        session.tell("member", user=user_id, name=session.model.names[user_id], owner=user_id == owner_id)


async def _kick(session: Session, who: str) -> None:
    user_id = await user_meant(session, who)
    await session.kick(user_id)
    session.tell("kicked", group=session.model.current_id, user=user_id, name=session.model.names[user_id])


async def _who(session: Session) -> None:
    for one in await session.grab_stats():
        times: Fields = {"median_ms": one.median_ms, "grabs": one.grabs, "first_places": one.first_places}
        session.tell("reaction", user=one.user_id, name=one.name, **times, sent_packets=one.sent_packets)


# --- oneself ----------------------------------------------------------------------------------------------------


async def _balance(session: Session) -> None:
    session.tell("balance", balance_fen=await session.client.balance(), change_fen=0, reason="asked")


async def _name(session: Session, name: str) -> None:
    await session.set_name(name)
    session.tell("name", user=session.model.user_id, name=session.model.names[session.model.user_id])


async def _lang(session: Session, language: str) -> None:
    session.language = language
    session.tell("lang", language=language)


async def _help(session: Session) -> None:
    for verb in VERBS:
        use, about = text(session.language, f"use_{verb}"), text(session.language, f"about_{verb}")
        session.tell("help", verb=f"/{verb}", use=use, about=about)


async def _quit(session: Session) -> None:
    session.tell("quit")


async def _wait(session: Session, what: str, seconds: float) -> None:
    raise BadCommand("only_plain", "wait")  # plain mode has its own


ACTIONS: dict[str, Callable[..., Awaitable[None]]] = {
    "say": _say,
    "send": _send,
    "equal": _equal,
    "to": _to,
    "form": _form,
    "tap": _tap,
    "open": _open,
    "result": _result,
    "again": _again,
    "records": _records,
    "groups": _groups,
    "go": _go,
    "new": _new,
    "join": _join,
    "leave": _leave,
    "members": _members,
    "kick": _kick,
    "who": _who,
    "balance": _balance,
    "name": _name,
    "lang": _lang,
    "wait": _wait,
    "help": _help,
    "quit": _quit,
}
