"""What the commands about packets do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from client_sim.chat import packet_requests
from client_sim.chat.commands import BadCommand, parse
from client_sim.chat.everyday.moments import Moment, next_ms
from client_sim.chat.model import OPEN, Card
from client_sim.chat.money import payments
from client_sim.chat.money.checkout import Order, packet_order
from client_sim.chat.session import Fields, Session
from client_sim.chat.targets import find_link, find_to_pass_on, place_to_pass_on
from client_sim.chat.users import find_group, find_user, find_users
from protocol import messages


def find_packet(session: Session, packet_id: int = 0) -> int:
    """For 0 a packet on the screen: the newest that is open, otherwise the newest."""
    if packet_id:
        return packet_id
    cards = session.model.current.cards()
    still_open = [card for card in cards if card.packet.state == OPEN]
    if not cards:
        raise BadCommand("no_packet", "tap")
    return (still_open or cards)[-1].packet.packet_id


def find_own_packet(session: Session) -> int:
    """The user's newest packet on the screen that can be sent again."""
    own = [card for card in session.model.current.cards() if _is_own_and_open(session, card)]
    if not own:
        raise BadCommand("nothing_to_send_again", "again")
    return own[-1].packet.packet_id


def _is_own_and_open(session: Session, card: Card) -> bool:
    packet = card.packet
    return packet.sender_id == session.model.user_id and packet.state not in ("gone", "expired")


async def _begin(session: Session, order: Order) -> None:
    """Pay it now; it is posted at the time of `/at`, if there was one."""
    await payments.begin(session, order._replace(send_at_ms=session.desk.send_at_ms))


async def at(session: Session, time: Moment, command: str) -> None:
    """A packet that is posted when the clock next shows this moment."""
    parsed = parse(command if command.startswith("/") else f"/{command}", session.money)
    if parsed is None or parsed.verb not in LATER:
        raise BadCommand("only_packets_later", "at")
    session.desk.send_at_ms = next_ms(session.now_ms(), time)
    try:
        await LATER[parsed.verb](session, **parsed.values)
    finally:
        session.desk.send_at_ms = 0


async def send(session: Session, amount_fen: int, shares: int, greeting: str) -> None:
    """A lucky packet for the group on the screen."""
    await _send_here(session, "lucky", amount_fen, shares, greeting)


async def equal(session: Session, amount_fen: int, shares: int, greeting: str) -> None:
    """An equal one."""
    await _send_here(session, "equal", amount_fen, shares, greeting)


async def _send_here(session: Session, kind: str, amount_fen: int, shares: int, greeting: str) -> None:
    """A packet for the conversation on the screen; in a one-to-one chat it is a personal one."""
    here = session.model.current
    kind = "personal" if here.is_one_to_one else kind
    await _begin(session, packet_order(kind, here.stream_id, amount_fen, shares, greeting))


async def for_users(session: Session, users: str, amount_fen: int, greeting: str) -> None:
    """An exclusive one, for members who are named."""
    user_ids = await find_users(session, users)
    if not user_ids:
        raise BadCommand("no_names", "for")
    content = "exclusive", session.model.current_id, amount_fen, len(user_ids), greeting, user_ids
    await _begin(session, packet_order(*content))


async def secret(session: Session, amount_fen: int, shares: int, words: str) -> None:
    """A password one, opened by saying its words."""
    order = packet_order("password", session.model.current_id, amount_fen, shares, "", words=words)
    await _begin(session, order)


async def unlock(session: Session, words: str) -> None:
    """Say the words of the newest password packet here, and open it."""
    cards = [card for card in session.model.current.cards() if card.packet.kind == "password"]
    still_open = [card for card in cards if card.packet.state == OPEN]
    if not cards:
        raise BadCommand("no_packet", "unlock")
    packet_id = (still_open or cards)[-1].packet.packet_id
    await packet_requests.say_words(session, packet_id, words)
    await open_packet(session, packet_id)


async def send_to(session: Session, user: str, amount_fen: int, greeting: str) -> None:
    """A personal one."""
    user_id = await find_user(session, user)
    await _begin(session, packet_order("personal", user_id, amount_fen, 1, greeting))


async def form(session: Session) -> None:
    """The form that sends one."""
    raise BadCommand("missing", "send", "amount_fen")  # there is no form in a pipe


async def tap(session: Session, packet_id: int) -> None:
    """Tap a packet: the page that the server shows."""
    packet_id = find_packet(session, packet_id)
    page = await packet_requests.tap(session, packet_id)
    texts: Fields = {"greeting": page.greeting, "line": page.line, "button": page.button, "link": page.link}
    sender: Fields = {"user": page.sender_id, "from": page.sender_name}
    named: Fields = {"for": ",".join(page.for_names)} if page.for_names else {}
    session.emit("page", packet=packet_id, answer=page.answer, view=page.view, **sender, **texts, **named)
    if page.result is not None:
        _emit_result(session, packet_id, page.result)


async def open_packet(session: Session, packet_id: int) -> None:
    """Open a share."""
    packet_id = find_packet(session, packet_id)
    opened = await packet_requests.open_share(session, packet_id)
    share: Fields = {"amount_fen": opened.amount_fen, "index": opened.index, "left": opened.left_shares}
    session.emit("opened", packet=packet_id, answer=opened.answer, **share)


async def result(session: Session, packet_id: int) -> None:
    """All pages of it."""
    packet_id = find_packet(session, packet_id)
    page = await packet_requests.result(session, packet_id)
    _emit_result(session, packet_id, page)
    while page.more and page.claims:
        page = await packet_requests.result(session, packet_id, page.claims[-1].index)
        _emit_claims(session, packet_id, page)


def _emit_result(session: Session, packet_id: int, page: messages.ResultPageBody) -> None:
    """A result page as events: the page, then its claims, newest first."""
    count: Fields = {"opened": page.opened, "shares": page.shares}
    sender: Fields = {"user": page.sender_id, "from": page.sender_name, "greeting": page.greeting}
    texts: Fields = {"note": page.note, "summary": page.summary, "button": page.button, "link": page.link}
    newer: Fields = {"amount": page.amount, "ending": page.ending, "best_mark": page.best_mark, "turn": page.turn}
    about: Fields = {"kind": page.packet_kind, "state": page.state, **count, **sender}
    session.emit("result", packet=packet_id, **about, amount_fen=page.amount_fen, **texts, **newer)
    _emit_claims(session, packet_id, page)


def _emit_claims(session: Session, packet_id: int, page: messages.ResultPageBody) -> None:
    for one in page.claims if page.shows_list else ():
        claim: Fields = {"user": one.user_id, "name": one.name, "amount_fen": one.amount_fen}
        best = one.index == page.best_index
        session.emit("share", packet=packet_id, index=one.index, **claim, at_ms=one.at_ms, when=one.when, best=best)


async def fission(session: Session, user: str, amount_fen: int, shares: int, greeting: str) -> None:
    """One that a friend passes on."""
    user_id = await find_user(session, user)
    await payments.begin(session, packet_order("fission", user_id, amount_fen, shares, greeting))


async def pass_on(session: Session, packet_id: int, group: str) -> None:
    """Say a link to a packet."""
    packet_id = find_to_pass_on(session, packet_id)
    await packet_requests.pass_on(session, packet_id, place_to_pass_on(session, group))


async def open_link(session: Session, link: str) -> None:
    """Open a share by the link of a friend."""
    page = await packet_requests.tap_link(session, find_link(session, link))
    if page.answer == "ticket":
        await open_packet(session, page.packet_id)
        return
    session.emit("page", packet=page.packet_id, answer=page.answer, view=page.view, line=page.line)


async def again(session: Session, group: str) -> None:
    """Post my packet again."""
    group_id = find_group(session, group) if group else 0
    await packet_requests.send_again(session, find_own_packet(session), group_id)


LATER: Final[dict[str, Callable[..., Awaitable[None]]]] = {  # what `/at` can send
    "send": send,
    "equal": equal,
    "for": for_users,
    "secret": secret,
    "to": send_to,
}
