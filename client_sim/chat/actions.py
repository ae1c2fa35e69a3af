"""What each command does, as a table. The outcome is reported as events, to a screen or to a script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from client_sim.chat import group_requests, packet_requests
from client_sim.chat.campaigns import shake_actions
from client_sim.chat.commands import VERBS, BadCommand, Command
from client_sim.chat.money import card_actions, money_actions, payments
from client_sim.chat.money.checkout import packet_order
from client_sim.chat.session import Fields, Session
from client_sim.chat.targets import (
    find_group,
    find_link,
    find_own_packet,
    find_packet,
    find_to_pass_on,
    place_to_pass_on,
)
from client_sim.chat.texts import text, usage
from client_sim.chat.users import find_user
from protocol import messages

IN_A_GROUP = frozenset({"say", "send", "equal", "form", "invite", "leave", "members", "kick", "who"})


async def run(session: Session, command: Command) -> None:
    """Carry out a command. Raises ClientError, BadCommand."""
    check(session, command)
    await ACTIONS[command.verb](session, **command.values)


def check(session: Session, command: Command) -> None:
    """Raises BadCommand for a command that needs a group while the inbox is on the screen."""
    if command.verb in IN_A_GROUP and session.model.current_id == session.model.user_id:
        raise BadCommand("only_in_a_group", command.verb)


# --- packets ----------------------------------------------------------------------------------------------------


async def _send(session: Session, amount_fen: int, shares: int, greeting: str) -> None:
    await _send_here(session, "lucky", amount_fen, shares, greeting)


async def _equal(session: Session, amount_fen: int, shares: int, greeting: str) -> None:
    await _send_here(session, "equal", amount_fen, shares, greeting)


async def _send_here(session: Session, kind: str, amount_fen: int, shares: int, greeting: str) -> None:
    """A packet for the conversation on the screen; in a one-to-one chat it is a personal one."""
    here = session.model.current
    kind = "personal" if here.is_one_to_one else kind
    await payments.begin(session, packet_order(kind, here.stream_id, amount_fen, shares, greeting))


async def _to(session: Session, user: str, amount_fen: int, greeting: str) -> None:
    user_id = await find_user(session, user)
    await payments.begin(session, packet_order("personal", user_id, amount_fen, 1, greeting))


async def _form(session: Session) -> None:
    raise BadCommand("missing", "send", "amount_fen")  # there is no form in a pipe


async def _tap(session: Session, packet_id: int) -> None:
    packet_id = find_packet(session, packet_id)
    page = await packet_requests.tap(session, packet_id)
    texts: Fields = {"greeting": page.greeting, "line": page.line, "button": page.button, "link": page.link}
    sender: Fields = {"user": page.sender_id, "from": page.sender_name}
    session.emit("page", packet=packet_id, answer=page.answer, view=page.view, **sender, **texts)
    if page.result is not None:
        _emit_result(session, packet_id, page.result)


async def _open(session: Session, packet_id: int) -> None:
    packet_id = find_packet(session, packet_id)
    opened = await packet_requests.open_share(session, packet_id)
    share: Fields = {"amount_fen": opened.amount_fen, "index": opened.index, "left": opened.left_shares}
    session.emit("opened", packet=packet_id, answer=opened.answer, **share)


async def _result(session: Session, packet_id: int) -> None:
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
    newer: Fields = {"amount": page.amount, "ending": page.ending, "best_mark": page.best_mark}
    about: Fields = {"kind": page.packet_kind, "state": page.state, **count, **sender}
    session.emit("result", packet=packet_id, **about, amount_fen=page.amount_fen, **texts, **newer)
    _emit_claims(session, packet_id, page)


def _emit_claims(session: Session, packet_id: int, page: messages.ResultPageBody) -> None:
    for one in page.claims if page.shows_list else ():
        claim: Fields = {"user": one.user_id, "name": one.name, "amount_fen": one.amount_fen}
        best = one.index == page.best_index
        session.emit("share", packet=packet_id, index=one.index, **claim, at_ms=one.at_ms, when=one.when, best=best)


async def _fission(session: Session, user: str, amount_fen: int, shares: int, greeting: str) -> None:
    user_id = await find_user(session, user)
    await payments.begin(session, packet_order("fission", user_id, amount_fen, shares, greeting))


async def _pass_on(session: Session, packet_id: int, group: str) -> None:
    packet_id = find_to_pass_on(session, packet_id)
    await packet_requests.pass_on(session, packet_id, place_to_pass_on(session, group))


async def _open_link(session: Session, link: str) -> None:
    page = await packet_requests.tap_link(session, find_link(session, link))
    if page.answer == "ticket":
        await _open(session, page.packet_id)
        return
    session.emit("page", packet=page.packet_id, answer=page.answer, view=page.view, line=page.line)


async def _again(session: Session, group: str) -> None:
    group_id = find_group(session, group) if group else 0
    await packet_requests.send_again(session, find_own_packet(session), group_id)


# --- groups -----------------------------------------------------------------------------------------------------


async def _say(session: Session, text: str) -> None:
    await group_requests.say(session, text)


async def _groups(session: Session) -> None:
    for one in session.model.conversations.values():
        is_here = one.stream_id == session.model.current_id
        session.emit(
            "group", group=one.stream_id, name=one.name, owner=one.owner_id, unread=one.unread, here=is_here
        )


async def _go(session: Session, group: str) -> None:
    await group_requests.go(session, find_group(session, group))


async def _new(session: Session, name: str) -> None:
    await group_requests.create(session, name)


async def _join(session: Session, invite: str) -> None:
    await group_requests.join(session, invite=invite)


async def _invite(session: Session, renew: str) -> None:
    code = await group_requests.invite(session, bool(renew))
    session.emit("invite", group=session.model.current_id, code=code)


async def _chat(session: Session, user: str) -> None:
    await group_requests.open_chat(session, await find_user(session, user))


async def _leave(session: Session) -> None:
    await group_requests.leave(session)


async def _members(session: Session) -> None:
    owner_id = session.model.current.owner_id
    for user_id in await group_requests.members(session):
        session.emit("member", user=user_id, name=session.model.names[user_id], owner=user_id == owner_id)


async def _kick(session: Session, user: str) -> None:
    user_id = await find_user(session, user)
    await group_requests.kick(session, user_id)
    session.emit("kicked", group=session.model.current_id, user=user_id, name=session.model.names[user_id])


async def _who(session: Session) -> None:
    for one in await group_requests.grab_stats(session):
        times: Fields = {"median_ms": one.median_ms, "grabs": one.grabs, "first_places": one.first_places}
        session.emit("reaction", user=one.user_id, name=one.name, **times, sent_packets=one.sent_packets)


# --- the user ---------------------------------------------------------------------------------------------------


async def _balance(session: Session) -> None:
    wallet = await session.client.wallet()
    session.take_wallet(wallet.balance_fen, wallet.arriving_fen, 0, "asked")


async def _name(session: Session, name: str) -> None:
    await group_requests.set_name(session, name)
    session.emit("name", user=session.model.user_id, name=session.model.names[session.model.user_id])


async def _lang(session: Session, language: str) -> None:
    session.language = language
    session.emit("lang", language=language)


async def _help(session: Session) -> None:
    for verb in VERBS:
        use = usage(session.language, f"use_{verb}", session.money)
        about = text(session.language, f"about_{verb}")
        session.emit("help", verb=f"/{verb}", use=use, about=about)


async def _quit(session: Session) -> None:
    session.emit("quit")


async def _wait(session: Session, what: str, seconds: float) -> None:
    raise BadCommand("only_plain", "wait")  # plain mode handles it before


ACTIONS: dict[str, Callable[..., Awaitable[None]]] = {
    "say": _say,
    "send": _send,
    "equal": _equal,
    "to": _to,
    "form": _form,
    "tap": _tap,
    "open": _open,
    "result": _result,
    "fission": _fission,
    "pass-on": _pass_on,
    "open-link": _open_link,
    "again": _again,
    "records": money_actions.records,
    "statement": money_actions.statement,
    "wallet": money_actions.wallet,
    "money_form": money_actions.money_form,
    "topup": money_actions.top_up,
    "withdraw": money_actions.withdraw,
    "transfer": money_actions.transfer,
    "pay": money_actions.pay,
    "cards": card_actions.cards,
    "bind": card_actions.bind,
    "code": card_actions.code,
    "unbind": card_actions.unbind,
    "password": card_actions.password,
    "reset": card_actions.reset,
    "campaigns": shake_actions.campaigns,
    "shake": shake_actions.shake,
    "groups": _groups,
    "go": _go,
    "new": _new,
    "join": _join,
    "invite": _invite,
    "chat": _chat,
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
