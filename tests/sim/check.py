"""Two opinions: each answer against the stores when it is told, and all of them against the books at the end.

The first believes the tables. The second believes only the journal (what was done, in its order) and what users
heard, and computes packets and wallets anew; then both have to agree.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from server.core import amounts
from server.core.amounts import Caps
from server.core.packet import Claim
from storage.redis.mirror import parse

if TYPE_CHECKING:
    from tests.sim.world import Told, World


# --- the first opinion: at once -------------------------------------------------------------------------------


def durable_claims(world: World, packet_id: int) -> dict[int, tuple[int, int]]:
    """(index, amount) by user, of what survives if every server dies now."""
    row = world.tables.packets.get(packet_id)
    if row is None:
        return {}
    found = {claim.user_id: (claim.index, claim.amount_fen) for claim in world.tables.claims[packet_id]}
    if world.plan.tier == "redis" and row.closed_at_ms is None:
        mirrored = parse(world.logs.get(packet_id)).claims
        mine = [(one.user_id, (index, one.amount_fen)) for index, one in enumerate(mirrored)]
        if all(found[user] == where for user, where in mine[: len(found)] if user in found):
            found |= dict(mine[len(found) :])
    return found


def push_is_true(world: World, packet_id: int, claim: Claim) -> None:
    """The sender hears of claims that are durable, and of no others."""
    if durable_claims(world, packet_id).get(claim.user_id) != (claim.index, claim.amount_fen):
        world.accuse(f"the push of {claim} on {packet_id} speaks of what is not durable")


def post_is_true(world: World, post: Any) -> None:
    """Of a packet the group hears when it stands in the books, and with its place in the stream."""
    if world.tables.posts.get(post.terms.packet_id, {}).get(post.stream_id) != post.message:
        world.accuse(f"the push of {post} speaks of what is not in the books")


def reminder_is_true(world: World, post: Any) -> None:
    """A reminder stands in its stream under its number, and tells what is in the books."""
    held = {row.message: row for row in world.tables.inboxes.get(post.stream_id, ())}
    row, packet_id = held.get(post.message), post.terms.packet_id
    if row is None or row.packet_id != packet_id:
        world.accuse(f"the push of {post} speaks of what is not in the stream")
    kind = type(post).__name__
    if kind == "ClaimsPost":
        for claim in post.claims:
            push_is_true(world, packet_id, claim)
            world.reminded[kind, post.stream_id, packet_id, claim.index] += 1
    else:
        world.reminded[kind, post.stream_id, packet_id] += 1


def balance_is_true(world: World, change: Any) -> None:
    """A balance that is told was in the wallet, after as many changes as its version says."""
    fen, version = change.balance
    known = world.tables.changes.get(change.user_id, [])
    if not 0 < version <= len(known) or known[version - 1] != fen:
        world.accuse(f"the push of {change} speaks of what was never in the wallet")
    world.changes_told[change.user_id, change.reason] += change.change_fen


def send_is_true(world: World, terms: Any) -> None:
    """A send that was told stands in the books."""
    row = world.tables.packets.get(terms.packet_id)
    if row is None or (row.seed, row.total_fen) != (terms.seed, terms.total_fen):
        world.accuse(f"a send was told that is not in the books: {terms.packet_id}")


def answer_is_true(world: World, told: Told) -> None:
    """What is said must be so when it is said."""
    row = world.tables.packets.get(told.packet_id)
    held = durable_claims(world, told.packet_id)
    mine = held.get(told.user_id)
    false = {
        "won": mine != (told.index, told.amount_fen),
        "claimed": mine != (told.index, told.amount_fen),
        "gone": row is None or mine is not None or len(held) < row.shares,
        "expired": row is None or (row.closed_at_ms is None and world.latest_ms() < row.expires_at_ms),
        "not_allowed": row is not None and may_open(world, row, told.user_id),
    }
    allowed = told.answer in ("not_allowed", "store_unavailable", "overloaded")
    if false.get(told.answer, False):
        world.accuse(f"told what is not so: {told}; durable is {mine} of {len(held)} claims")
    if row is not None and not allowed and not may_open(world, row, told.user_id):
        world.accuse(f"somebody who may not open was told {told}")


def may_open(world: World, row: Any, user_id: int) -> bool:
    """As the rules have it, said once more."""
    if row.kind == "personal":
        return bool(user_id == row.target_id)
    return user_id in world.tables.groups[row.target_id].members


# --- the second opinion: at the end ---------------------------------------------------------------------------


def at_the_end(world: World) -> None:
    """All that must hold when the dust has settled."""
    for rule in (
        tables_hold,
        journal_holds,
        users_heard_the_truth,
        credits_were_told_once,
        reminders_were_told,
        sends_hold,
        nobody_waits,
    ):
        for what in rule(world):
            world.accuse(f"{rule.__name__}: {what}")


def tables_hold(world: World) -> list[str]:
    """The books, as they stand."""
    tables, wrong = world.tables, []
    for row in tables.packets.values():
        claims = tables.claims[row.packet_id]
        fen = sum(claim.amount_fen for claim in claims)
        if row.closed_at_ms is None:
            wrong.append(f"{row.packet_id} is neither finished nor refunded")
        elif fen + row.refunded_fen != row.total_fen or fen != row.claimed_fen:
            wrong.append(f"{row.packet_id}: claimed {fen} + refunded {row.refunded_fen} != {row.total_fen}")
        if [claim.index for claim in claims] != list(range(row.version)):
            wrong.append(f"{row.packet_id}: indexes {[claim.index for claim in claims]}, version {row.version}")
        if len({claim.user_id for claim in claims}) != len(claims):
            wrong.append(f"{row.packet_id}: somebody has two claims")
        if [claim.amount_fen for claim in claims] != shares_of(row)[: len(claims)]:
            wrong.append(f"{row.packet_id}: amounts are not those of the seed")
    if tables.queue:
        wrong.append(f"{len(tables.queue)} claims are not settled")
    return wrong


def shares_of(row: Any) -> list[int]:
    """Every share of a packet, from its seed."""
    if row.kind != "lucky":
        return [row.total_fen // row.shares] * row.shares
    caps = Caps(row.share_fen_min, row.share_fen_max)
    return list(amounts.all_lucky_shares(row.seed, row.total_fen, row.shares, caps))


def journal_holds(world: World) -> list[str]:  # noqa: C901  one branch a sort of entry
    """Play what was done once more, on paper: piles of money and wallets; then compare with the tables."""
    from tests.sim.world import START_FEN

    wrong: list[str] = []
    pile: dict[int, int] = {}
    wallets: Counter[int] = Counter(
        dict.fromkeys(world.tables.groups[next(iter(world.tables.groups))].members, START_FEN)
    )
    sender: dict[int, int] = {}
    holds: dict[int, dict[int, int]] = defaultdict(dict)
    credited: Counter[tuple[int, int]] = Counter()
    over: set[int] = set()
    keys: Counter[tuple[int, str]] = Counter()
    for what, *words in world.tables.journal:
        if what == "send":
            packet_id, user_id, key, fen = words
            pile[packet_id], sender[packet_id] = fen, user_id
            wallets[user_id] -= fen
            keys[user_id, key] += 1
        elif what == "claim":
            packet_id, index, user_id, fen, _ = words
            if packet_id in over:
                wrong.append(f"{packet_id}: claim {index} after the refund")
            if user_id in holds[packet_id] or index != len(holds[packet_id]):
                wrong.append(f"{packet_id}: claim {index} of {user_id} on top of {holds[packet_id]}")
            holds[packet_id][user_id] = fen
            pile[packet_id] -= fen
        elif what == "refund":
            packet_id, fen = words
            if packet_id in over:
                wrong.append(f"{packet_id} was refunded twice")
            over.add(packet_id)
            pile[packet_id] -= fen
            wallets[sender[packet_id]] += fen
        elif what == "credit":
            packet_id, user_id, fen = words
            credited[packet_id, user_id] += 1
            wallets[user_id] += fen
            if holds[packet_id].get(user_id) != fen:
                wrong.append(f"{packet_id}: {user_id} was credited {fen}, claimed {holds[packet_id].get(user_id)}")
    owed = {(packet_id, user_id): 1 for packet_id, users in holds.items() for user_id in users}
    if dict(credited) != owed:
        wrong.append(f"settled are {dict(credited)}, owed {owed}")
    wrong += [f"{packet_id}: {fen} fen are left over" for packet_id, fen in pile.items() if fen]
    wrong += [f"{key} was debited {times} times" for key, times in keys.items() if times > 1]
    if {user: fen for user, fen in world.tables.wallets.items() if fen} != {u: f for u, f in wallets.items() if f}:
        wrong.append("the wallets are not what was done to them")
    if any(fen < 0 for fen in world.tables.wallets.values()):
        wrong.append("a wallet is below zero")
    return wrong


def users_heard_the_truth(world: World) -> list[str]:
    """What users heard, against what was done, without the tables."""
    wrong: list[str] = []
    done = {(words[1], words[3]): (words[2], words[4]) for words in world.tables.journal if words[0] == "claim"}
    taken = Counter(words[1] for words in world.tables.journal if words[0] == "claim")
    shares = {row.packet_id: row.shares for row in world.tables.packets.values()}
    wins: dict[tuple[int, int], list[Told]] = defaultdict(list)
    for one in world.heard:
        place = one.packet_id, one.user_id
        if one.answer in ("won", "claimed") and done.get(place) != (one.index, one.amount_fen):
            wrong.append(f"{one}, but done was {done.get(place)}")
        if one.answer == "gone" and (place in done or taken[one.packet_id] != shares[one.packet_id]):
            wrong.append(f"{one}, but {taken[one.packet_id]} were taken, theirs {done.get(place)}")
        if one.answer == "won":
            wins[place].append(one)
    # the same user at two servers in the same millisecond with the same share: one claim, and both are it
    for place, told in wins.items():
        if (
            len(told) != len({(one.server, one.arrived_ms) for one in told})
            or len({one.arrived_ms for one in told}) > 1
        ):
            wrong.append(f"{place} won {len(told)} times: {told}")
    refunds = {words[1]: words[2] for words in world.tables.journal if words[0] == "refund"}
    for packet_id, fen in world.refunds_told:
        if refunds.get(packet_id) != fen:
            wrong.append(f"{packet_id}: a refund of {fen} was told, done was {refunds.get(packet_id)}")
    wrong += [f"{one} was told twice" for one, times in Counter(world.refunds_told).items() if times > 1]
    return wrong


def credits_were_told_once(world: World) -> list[str]:
    """At the most: a server that crashes tells nobody."""
    credited: Counter[int] = Counter()
    for what, *words in world.tables.journal:
        if what == "credit":
            credited[words[1]] += words[2]
    return [
        f"{user_id} was told of {fen} fen, credited were {credited[user_id]}"
        for (user_id, reason), fen in world.changes_told.items()
        if reason == "claim" and fen > credited[user_id]
    ]


def reminders_were_told(world: World) -> list[str]:
    """Of each credit, finish and refund there is one post, which was pushed, whatever crashed in between."""
    packets, due = world.tables.packets, Counter[tuple[Any, ...]]()
    for what, *words in world.tables.journal:
        if what == "refund":
            due["RefundPost", packets[words[0]].sender_id, words[0]] += 1
    for row in packets.values():
        for claim in world.tables.claims[row.packet_id]:
            due["ClaimsPost", row.sender_id, row.packet_id, claim.index] += 1
        if row.version == row.shares:
            streams = {row.sender_id, row.target_id} if row.kind != "personal" else {row.sender_id}
            due.update(("FinishPost", stream_id, row.packet_id) for stream_id in streams)
    made: Counter[tuple[Any, ...]] = Counter()
    wrong = []
    for stream_id, posts in world.tables.inboxes.items():
        if [post.message for post in posts] != sorted({post.message for post in posts}):
            wrong.append(f"stream {stream_id} has numbers out of order")
        for post in posts:
            kind = ("", "ClaimsPost", "FinishPost", "RefundPost")[post.reminder or 0]
            claims = [(index,) for index in range(post.first_index or 0, post.end_index or 0)] or [()]
            made.update((kind, stream_id, post.packet_id, *claim) for claim in claims)
    wrong += [
        f"{what} is due {due[what]} times, posted {made[what]}" for what in due | made if due[what] != made[what]
    ]
    wrong += [f"{what} was posted and never pushed" for what in made if not world.reminded[what]]
    return wrong


def sends_hold(world: World) -> list[str]:
    """A key has sent one packet, whoever was asked how often."""
    wrong: list[str] = []
    made = Counter((words[2], words[3]) for words in world.tables.journal if words[0] == "send")
    for place, outcomes in world.sent.items():
        told = {terms.packet_id for what, terms in outcomes if what == "ok"}
        words = {what for what, _ in outcomes}
        if len(told) > 1:
            wrong.append(f"{place} was told of {sorted(told)}")
        if told and made[place] != 1:
            wrong.append(f"{place} was told ok and made {made[place]}")
        if made[place] and words and words <= {"not_enough_money", "not_a_member"}:
            wrong.append(f"{place} was told {words} and yet sent")
        if "internal" in words or "key_reused" in words:
            wrong.append(f"{place} was told {words}")
    return wrong


def nobody_waits(world: World) -> list[str]:
    """Every attempt on a server that lives has its answer."""
    return [
        f"unanswered at server {one.number}: {call}" for one in world.servers for call in one.open_calls.values()
    ]
