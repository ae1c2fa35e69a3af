"""What each command does, as a table. The outcome is reported as events, to a screen or to a script."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from client_sim.chat import group_requests, packet_actions
from client_sim.chat.campaigns import shake_actions
from client_sim.chat.commands import VERBS, BadCommand, Command
from client_sim.chat.everyday import later, relay
from client_sim.chat.money import card_actions, money_actions
from client_sim.chat.session import Fields, Session
from client_sim.chat.texts import text, usage
from client_sim.chat.users import find_group, find_user

IN_A_GROUP = frozenset(
    {"say", "send", "equal", "for", "secret", "form", "invite", "leave", "members", "kick", "who", "relay", "next"}
)


async def run(session: Session, command: Command) -> None:
    """Carry out a command. Raises ClientError, BadCommand."""
    check(session, command)
    await ACTIONS[command.verb](session, **command.values)


def check(session: Session, command: Command) -> None:
    """Raises BadCommand for a command that needs a group while the inbox is on the screen."""
    if command.verb in IN_A_GROUP and session.model.current_id == session.model.user_id:
        raise BadCommand("only_in_a_group", command.verb)


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
    "send": packet_actions.send,
    "equal": packet_actions.equal,
    "for": packet_actions.for_users,
    "secret": packet_actions.secret,
    "unlock": packet_actions.unlock,
    "at": packet_actions.at,
    "scheduled": later.scheduled,
    "cancel": later.cancel,
    "relay": relay.relay,
    "next": relay.next_packet,
    "to": packet_actions.send_to,
    "form": packet_actions.form,
    "tap": packet_actions.tap,
    "open": packet_actions.open_packet,
    "result": packet_actions.result,
    "fission": packet_actions.fission,
    "pass-on": packet_actions.pass_on,
    "open-link": packet_actions.open_link,
    "again": packet_actions.again,
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
