"""What must hold of packets that wait, name their openers, have words or are passed on, and of bills."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from server.core.beijing_year import day_begin_ms
from tests.sim.clock import EPOCH_MS
from tests.sim.kinds.plan import ATTEMPTS_MAX, BILL_FEN_A_DAY, BILLS_A_DAY, DEPTH_MAX

if TYPE_CHECKING:
    from tests.sim.world import ReceivedAnswer, World

CLOCKS_DIFFER_MS = 1_500
TO_ONE_USER = ("personal", "enterprise")
WITH_WORDS_ONLY = ("ticket", "won", "busy")

# --- when an answer is given --------------------------------------------------------------------------------------


def may_be_allowed(world: World, row: Any, one: ReceivedAnswer) -> bool:
    """Who may open, written a second time, at any version of the record that may have decided."""
    if world.tables.is_hidden(row.packet_id):
        return False
    if row.kind in TO_ONE_USER:
        return bool(one.user_id == row.target_id)
    if row.kind == "fission":
        return one.user_id == row.target_id or (row.packet_id, one.user_id) in world.tables.admissions
    is_named = row.kind != "exclusive" or one.user_id in row.only_for
    return is_named and world.standing.may_be_member(one.user_id, one.known)


def must_be_allowed(world: World, row: Any, one: ReceivedAnswer) -> bool:
    """The same at all these versions."""
    if world.tables.is_hidden(row.packet_id) or world.tables.ended_s.get(row.packet_id, 0.0) >= one.known.at_s:
        return False  # it was hidden when the request arrived
    if row.kind in TO_ONE_USER:
        return bool(one.user_id == row.target_id)
    if row.kind == "fission":
        side = world.kinds_side
        admitted_s = None if side is None else side.admitted_s.get((row.packet_id, one.user_id))
        return one.user_id == row.target_id or (admitted_s is not None and admitted_s <= one.known.at_s)
    is_named = row.kind != "exclusive" or one.user_id in row.only_for
    return is_named and world.standing.must_be_member(one.user_id, one.known)


def words_were_said(world: World, row: Any, one: ReceivedAnswer) -> bool:
    """To this very process, before the request came: it may not ask for them again."""
    side = world.kinds_side
    heard_s = None if side is None else side.heard_s.get((one.process, row.packet_id, one.user_id))
    return row.kind != "password" or (heard_s is not None and heard_s <= one.known.at_s)


def words_are_missing(world: World, row: Any, one: ReceivedAnswer) -> bool:
    """The user was let in without them."""
    said = world.tables.has_said(row.packet_id, one.user_id)
    return row.kind == "password" and one.answer in WITH_WORDS_ONLY and not said


# --- at the end ---------------------------------------------------------------------------------------------------


def scheduled_packets_ended_once(world: World) -> list[str]:
    """Each was posted at its time, or cancelled or returned with its whole money. (Once: see replay.)"""
    tables, wrong = world.tables, []
    for packet_id, waiting in tables.scheduled.items():
        row, posts = tables.packets[packet_id], tables.posts[packet_id]
        if waiting.state == "waiting":
            wrong.append(f"{packet_id} still waits")
        elif (waiting.state == "posted") != bool(posts):
            wrong.append(f"{packet_id} is {waiting.state} and has the messages {posts}")
        elif waiting.state != "posted" and row.refunded_fen != row.total_fen:
            wrong.append(f"{packet_id} was {waiting.state}, {row.refunded_fen} of {row.total_fen} came back")
        early_ms = waiting.send_at_ms - EPOCH_MS - tables.ended_s.get(packet_id, 0.0) * 1000
        if waiting.state in ("posted", "returned") and early_ms > CLOCKS_DIFFER_MS:
            wrong.append(f"{packet_id} was {waiting.state} {early_ms:.0f} ms before its time")
    return wrong


def cancels_were_answered_truly(world: World) -> list[str]:
    """A cancel that was confirmed holds, and brought back all; one that was refused did nothing."""
    wrong = []
    for packet_id, outcomes in world.kinds_side.cancels.items():
        row, state = world.tables.packets[packet_id], world.tables.scheduled[packet_id].state
        for said, fen in outcomes:
            if said == "ok" and (state, fen) != ("cancelled", row.total_fen):
                wrong.append(f"{packet_id} was cancelled for {fen} of {row.total_fen} fen, and is {state}")
            if said == "already_posted" and state not in ("posted", "returned"):
                wrong.append(f"{packet_id} was not cancelled because it was posted, and is {state}")
            if said == "not_allowed":
                wrong.append(f"the sender of {packet_id} was not allowed to cancel it")
    return wrong


def only_those_who_may_have_opened(world: World) -> list[str]:
    """Every claim is of a user whom its packet is for."""
    tables, wrong = world.tables, []
    for row in tables.packets.values():
        users = [claim.user_id for claim in tables.claims[row.packet_id]]
        allowed: dict[str, Any] = {
            "exclusive": row.only_for or (),
            "personal": [row.target_id],
            "enterprise": [row.target_id],
            "password": [one for one in users if tables.has_said(row.packet_id, one)],
            "fission": [row.target_id, *(one for one in users if (row.packet_id, one) in tables.admissions)],
        }
        others = set(users) - set(allowed.get(row.kind, users))
        if others:
            wrong.append(f"{row.packet_id}, which is {row.kind}, was opened by {sorted(others)}")
        if row.kind == "fission" and users and users[0] != row.target_id:
            wrong.append(f"{row.packet_id} was opened first by {users[0]}, it is for {row.target_id}")
    return wrong


def words_became_one_text(world: World) -> list[str]:
    """Who has said the words of a packet has said them once in the chat, and no other user has."""
    side, tables = world.kinds_side, world.tables
    texts = Counter(tables.texts.values())
    due = Counter(
        (user_id, side.words[packet_id])
        for packet_id, user_id in tables.words_said
        if tables.has_said(packet_id, user_id)
    )
    wrong = [f"{one} is {texts[one]} texts, due are {due[one]}" for one in texts | due if texts[one] != due[one]]
    for (packet_id, user_id), times in side.wrong_words.items():
        if times > ATTEMPTS_MAX:
            wrong.append(f"user {user_id} was told {times} times that words of {packet_id} are wrong")
    return wrong


def admissions_follow_links(world: World) -> list[str]:
    """Each by a link of a user who has opened, one step deeper, and not too deep."""
    tables, wrong = world.tables, []
    for (packet_id, user_id), one in tables.admissions.items():
        row = tables.packets[packet_id]
        maker = tables.admissions.get((packet_id, one.from_user))
        depth = 0 if one.from_user == row.target_id else None if maker is None else maker.depth
        opened = any(claim.user_id == one.from_user for claim in tables.claims[packet_id])
        is_friend = user_id not in (row.sender_id, row.target_id)
        if depth is None or one.depth != depth + 1 or one.depth > DEPTH_MAX or not opened or not is_friend:
            wrong.append(f"{one} does not follow from a link")
    for packet_id, user_id in world.kinds_side.admitted_s:
        if (packet_id, user_id) not in tables.admissions:
            wrong.append(f"user {user_id} was told to be admitted to {packet_id}, and is not in the record")
    return wrong


def bills_are_within_their_day(world: World) -> list[str]:
    """One packet for a number, as it was asked for; and no user gets more in a day than the config says."""
    tables, wrong = world.tables, []
    days: defaultdict[tuple[int, int, int], list[int]] = defaultdict(list)
    for (sponsor_id, number), bill in tables.bills.items():
        packet = tables.sent_before(sponsor_id, f"bill:{number}")
        if packet is not None:
            days[sponsor_id, bill.target_id, day_begin_ms(bill.asked_at_ms)].append(packet.total_fen)
            if bill.failed:
                wrong.append(f"{bill} has failed, and has sent {packet}")
            if (packet.target_id, packet.total_fen, packet.shares) != (bill.target_id, bill.amount_fen, 1):
                wrong.append(f"{bill} has sent {packet}")
        told = {said for said, _ in world.kinds_side.bills.get(number, ())}
        if packet is not None and told and told <= {"limit"}:
            wrong.append(f"bill {number} was refused, and yet sent {packet}")
    numbers = {(sponsor_id, f"bill:{number}") for sponsor_id, number in tables.bills}
    wrong += [
        f"{row} is of no bill"
        for row in tables.packets.values()
        if row.kind == "enterprise" and (row.sender_id, row.key) not in numbers
    ]
    for (_, user_id, _), fens in days.items():
        if len(fens) > BILLS_A_DAY or sum(fens) > BILL_FEN_A_DAY:
            wrong.append(f"user {user_id} got bills of {fens} fen in a day")
    return wrong


RULES = (
    scheduled_packets_ended_once,
    cancels_were_answered_truly,
    only_those_who_may_have_opened,
    words_became_one_text,
    admissions_follow_links,
    bills_are_within_their_day,
)
