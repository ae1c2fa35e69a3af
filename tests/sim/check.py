"""Two checks: each answer against the stores when it is sent, and all answers against the books at the end.

The first check trusts the tables. The second trusts only the journal (every change, in order) and the answers that
users received, and computes packets and wallets from them; then both must agree.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from server.core.decisions import Claim
from server.core.ids import EPOCH_MS, is_user
from storage.redis.mirror import parse
from tests.sim.bank.check import NOTHING, SIGNS, wallet_changes
from tests.sim.kinds import check as of_kinds
from tests.sim.plan import GROUP
from tests.sim.replay import journal_agrees_with_tables
from tests.sim.seeds import commitment_of, kind_of_pool, seed_of, shares_of
from tests.sim.stores import parts_of

if TYPE_CHECKING:
    from tests.sim.standing import Known
    from tests.sim.world import ReceivedAnswer, World


CLOCKS_DIFFER_MS = 1_500

# --- the first check: when an answer or a push is sent --------------------------------------------------------


def durable_claims(world: World, packet_id: int) -> dict[int, tuple[int, int]]:
    """(index, amount) by user, of the claims that survive if every server dies now."""
    row = world.tables.packets.get(packet_id)
    if row is None:
        return {}
    found = {claim.user_id: (claim.index, claim.amount_fen) for claim in world.tables.claims[packet_id]}
    if world.plan.durability == "redis" and row.closed_at_ms is None:
        mirrored = parse(world.logs.get(packet_id)).claims
        mine = [(one.user_id, (index, one.amount_fen)) for index, one in enumerate(mirrored)]
        if all(found[user] == where for user, where in mine[: len(found)] if user in found):
            found |= dict(mine[len(found) :])
    return found


def push_is_true(world: World, packet_id: int, claim: Claim) -> None:
    """The sender receives pushes of durable claims only."""
    if durable_claims(world, packet_id).get(claim.user_id) != (claim.index, claim.amount_fen):
        world.report(f"the push of {claim} on {packet_id} is about a claim that is not durable")


def post_is_true(world: World, post: Any) -> None:
    """The push of a packet follows its row in the books, and has its number in the stream."""
    if world.tables.posts.get(post.terms.packet_id, {}).get(post.stream_id) != post.message:
        world.report(f"the push of {post} is not in the books")


def reminder_is_true(world: World, post: Any) -> None:
    """A reminder is in its stream under its number, and agrees with the books."""
    held = {row.message: row for row in world.tables.inboxes.get(post.stream_id, ())}
    row, packet_id = held.get(post.message), post.terms.packet_id
    if row is None or row.packet_id != packet_id:
        world.report(f"the push of {post} is not in the stream")
    kind = type(post).__name__
    if kind == "ClaimsPost":
        for claim in post.claims:
            push_is_true(world, packet_id, claim)
            world.reminders_pushed[kind, post.stream_id, packet_id, claim.index] += 1
    else:
        world.reminders_pushed[kind, post.stream_id, packet_id] += 1


def balance_is_true(world: World, change: Any) -> None:
    """A balance that is pushed was in the wallet, after the number of changes that its version says."""
    fen, version = change.balance
    known = world.tables.changes.get(change.user_id, [])
    if not 0 < version <= len(known) or known[version - 1] != fen:
        world.report(f"the push of {change} has a balance that was never in the wallet")
    world.balance_pushes[change.user_id, change.reason, change.change_fen > 0] += change.change_fen


def refund_is_due(world: World, packet_id: int) -> None:
    """A refund was not before the end of the packet, whatever clocks said. Servers may differ by a second."""
    row = world.tables.packets[packet_id]
    if world.tables.is_hidden(packet_id):
        return  # it was cancelled, or its sender could not send it any more
    early_ms = row.expires_at_ms - world.true_ms()
    if early_ms > CLOCKS_DIFFER_MS:
        world.report(f"packet {packet_id} was refunded {early_ms:.0f} ms before its end")


def send_is_true(world: World, terms: Any, known: Known) -> None:
    """A send that was confirmed is in the books, and its sender could be in the group."""
    if not is_user(terms.target_id) and not world.standing.may_be_member(terms.sender_id, known):
        world.report(f"a user who is not in the group sent {terms.packet_id}")
    if world.standing.must_be_banned(terms.sender_id, known):
        world.report(f"a banned user sent {terms.packet_id}")
    row = world.tables.packets.get(terms.packet_id)
    if row is None or row.total_fen != terms.total_fen:
        world.report(f"a send was confirmed that is not in the books: {terms.packet_id}")
    elif terms.seed_use != (row.seed_index, row.client_seed, row.commitment):
        world.report(f"a send was confirmed with {terms.seed_use}, recorded is {row}")
    elif terms.seed not in (b"", seed_of(world, row)):
        world.report(f"packet {terms.packet_id} was sent with a seed that is not its own")


def answer_is_true(world: World, one: ReceivedAnswer) -> None:
    """An answer must be true when it is sent."""
    row = world.tables.packets.get(one.packet_id)
    held = durable_claims(world, one.packet_id)
    mine = held.get(one.user_id)
    false = {
        "won": mine != (one.index, one.amount_fen),
        "claimed": mine != (one.index, one.amount_fen),
        "gone": row is None or mine is not None or len(held) < row.shares,
        "expired": row is None or (row.closed_at_ms is None and world.latest_ms() < row.expires_at_ms),
        "not_allowed": row is not None and of_kinds.must_be_allowed(world, row, one),
        "words_needed": row is None or of_kinds.words_were_said(world, row, one),
    }
    allowed = one.answer in ("not_allowed", "store_unavailable", "overloaded")
    if false.get(one.answer, False):
        world.report(f"false answer: {one}; durable is {mine} of {len(held)} claims")
    if row is not None and not allowed and one.answer != "claimed" and not of_kinds.may_be_allowed(world, row, one):
        world.report(f"a user who may not open received {one}")
    if row is not None and of_kinds.words_are_missing(world, row, one):
        world.report(f"a user who has not said the words received {one}")
    if world.standing.must_be_banned(one.user_id, one.known):
        world.report(f"a banned user received {one}")


# --- the second check: at the end -----------------------------------------------------------------------------


def final_check(world: World) -> None:
    """All rules that must hold when every request is answered."""
    for rule in (
        tables_are_consistent,
        journal_agrees_with_tables,
        answers_agree_with_journal,
        refunds_were_pushed_once,
        changes_were_pushed_at_most_once,
        reminders_were_posted_and_pushed,
        keys_sent_one_packet,
        requests_were_answered,
        memory_follows_the_record,
        ids_have_the_time,
        *(rule for side in world.sides for rule in side.rules()),
    ):
        for what in rule(world):
            world.report(f"{rule.__name__}: {what}")


def tables_are_consistent(world: World) -> list[str]:
    """The tables agree with each other."""
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
            wrong.append(f"{row.packet_id}: a user has two claims")
        if not is_lease(row) and [claim.amount_fen for claim in claims] != shares_of(world, row)[: len(claims)]:
            wrong.append(f"{row.packet_id}: amounts are not those of the seed")
    wrong += seeds_follow_each_other(world)
    if tables.queue:
        wrong.append(f"{len(tables.queue)} claims are not settled")
    return wrong


def seeds_follow_each_other(world: World) -> list[str]:
    """What was paid used the server seeds 0, 1, 2, … of its sender, and published what follows from them."""
    used: dict[int, list[int]] = defaultdict(list)
    wrong = []
    pools = [row.pool_packet(kind_of_pool(row.deck)) for row in world.tables.campaigns.values()]
    for row in (*(one for one in world.tables.packets.values() if not is_lease(one)), *pools):
        used[row.sender_id].append(row.seed_index)
        if row.seed is not None:
            wrong.append(f"{row.packet_id}: its seed is recorded in plain")
        if commitment_of(world, row) != row.commitment:
            wrong.append(f"{row.packet_id}: the commitment does not follow from its seed")
    for user_id, indexes in used.items():
        if sorted(indexes) != list(range(len(indexes))):
            wrong.append(f"user {user_id} used the seeds {sorted(indexes)}")
    return wrong


def is_lease(row: Any) -> bool:
    """It holds numbers of a campaign, whose seed decides."""
    return bool(row.kind == "shake")


def ids_have_the_time(world: World) -> list[str]:
    """No id lies ahead of the time at which it was made, and none is far behind it."""
    ids = (*world.tables.packets, *world.tables.campaigns)
    ahead_ms = [(one >> 22) + EPOCH_MS - world.true_ms() for one in ids]
    return [f"an id is {ms:.0f} ms ahead" for ms in ahead_ms if ms > CLOCKS_DIFFER_MS]


def answers_agree_with_journal(world: World) -> list[str]:
    """The answers that users received, against the journal, without the tables."""
    wrong: list[str] = []
    done = {(words[1], words[3]): (words[2], words[4]) for words in world.tables.journal if words[0] == "claim"}
    taken = Counter(words[1] for words in world.tables.journal if words[0] == "claim")
    shares = {row.packet_id: row.shares for row in world.tables.packets.values()}
    wins: dict[tuple[int, int], list[ReceivedAnswer]] = defaultdict(list)
    for one in world.answers:
        claim_key = one.packet_id, one.user_id
        if one.answer in ("won", "claimed") and done.get(claim_key) != (one.index, one.amount_fen):
            wrong.append(f"{one}, but the journal has {done.get(claim_key)}")
        if one.answer == "gone" and (claim_key in done or taken[one.packet_id] != shares[one.packet_id]):
            wrong.append(f"{one}, but {taken[one.packet_id]} were taken, theirs {done.get(claim_key)}")
        if one.answer == "won":
            wins[claim_key].append(one)
    # one user at two servers in the same millisecond with the same share: one claim, and both answers are `won`
    for claim_key, won in wins.items():
        if world.peers_side is None and (
            len(won) != len({(one.server, one.arrived_ms) for one in won})
            or len({one.arrived_ms for one in won}) > 1
        ):  # of peers the owner sees the arrival: requests of two connections may come to it together
            wrong.append(f"{claim_key} won {len(won)} times: {won}")
    refunds = {words[1]: words[2] for words in world.tables.journal if words[0] == "refund"}
    for packet_id, fen in world.refund_pushes:
        if refunds.get(packet_id) != fen:
            wrong.append(f"{packet_id}: a refund of {fen} was pushed, the journal has {refunds.get(packet_id)}")
    return wrong


def refunds_were_pushed_once(world: World) -> list[str]:
    """By the server that has made it, unless that crashed: then perhaps not at all."""
    pushed = Counter(packet_id for packet_id, _ in world.refund_pushes)
    records = [one.services.refunds._records for one in world.servers if one.services is not None]
    running = {id(part) for one in records for part in parts_of(one)}
    wrong = [
        f"the refund of {packet_id} was pushed {times} times" for packet_id, times in pushed.items() if times > 1
    ]
    return wrong + [
        f"the refund of {packet_id} was never pushed"
        for packet_id, store in world.tables.refunders.items()
        if id(store) in running and not pushed[packet_id]
    ]


def changes_were_pushed_at_most_once(world: World) -> list[str]:
    """At most once, because a server that crashes loses its pushes. Peers tell again what others have missed."""
    made = wallet_changes_of(world)
    return [
        f"{user_id} received pushes of {fen} fen ({reason}), there were {made[user_id, reason, is_more]}"
        for (user_id, reason, is_more), fen in world.balance_pushes.items()
        if (reason == "claim" or world.peers_side is None) and abs(fen) > abs(made[user_id, reason, is_more])
    ]


def wallet_changes_of(world: World) -> Counter[tuple[int, str, bool]]:
    """Fen by user, reason, and whether the wallet has more or less then, as the journal has it."""
    made: Counter[tuple[int, str, bool]] = Counter()
    for what, *words in world.tables.journal:
        if what == "credit":
            made[words[1], "claim", True] += words[2]
        elif what == "refund":
            made[world.tables.packets[words[0]].sender_id, "refund", True] += words[1]
        elif what == "send":
            made[words[1], "send", False] -= words[3]
        elif what == "order":
            for user_id, fen in wallet_changes(what, words).items():
                made[user_id, "transfer" if words[1] else "pay", fen > 0] += fen
        elif what == "campaign":
            made[words[1], what, False] -= words[3]
        elif what == "campaign_returned":
            made[world.tables.campaigns[words[0]].sponsor_id, what, True] += words[1]
        elif what in SIGNS:
            for user_id, fen in wallet_changes(what, words).items():
                made[user_id, what, fen > 0] += fen
    return made


def reminders_were_posted_and_pushed(world: World) -> list[str]:
    """Each claim, finish and refund has one post; the server that posted it pushed it, unless it crashed."""
    packets, due = world.tables.packets, Counter[tuple[Any, ...]]()
    for what, *words in world.tables.journal:
        if what == "refund":
            due["RefundPost", packets[words[0]].sender_id, words[0]] += 1
    for row in packets.values():
        if is_lease(row):
            continue  # only the winner is told, by the balance
        for claim in world.tables.claims[row.packet_id]:
            due["ClaimsPost", row.sender_id, row.packet_id, claim.index] += 1
        if row.version == row.shares:
            streams = {row.sender_id, *(() if is_user(row.target_id) else (row.target_id,))}
            due.update(("FinishPost", stream_id, row.packet_id) for stream_id in streams)
    made: Counter[tuple[Any, ...]] = Counter()
    unpushed, running = [], {id(one.services.outbox._store) for one in world.servers if one.services is not None}
    wrong = []
    for stream_id, posts in world.tables.inboxes.items():
        if [post.message for post in posts] != sorted({post.message for post in posts}):
            wrong.append(f"stream {stream_id} has numbers out of order")
        for post in posts:
            kind = ("", "ClaimsPost", "FinishPost", "RefundPost")[post.reminder or 0]
            claims = [(index,) for index in range(post.first_index or 0, post.end_index or 0)] or [()]
            told = [(kind, stream_id, post.packet_id, *claim) for claim in claims]
            made.update(told)
            if id(world.tables.posters[stream_id, post.message]) in running:
                unpushed += [what for what in told if not world.reminders_pushed[what]]
    wrong += [
        f"{what} is due {due[what]} times, posted {made[what]}" for what in due | made if due[what] != made[what]
    ]
    return wrong + [f"{what} was posted and never pushed" for what in unpushed]


def keys_sent_one_packet(world: World) -> list[str]:
    """A key sent one packet, despite retries at both servers."""
    wrong: list[str] = []
    made = Counter((words[2], words[3]) for words in world.tables.journal if words[0] == "send")
    for send_key, outcomes in world.sent.items():
        confirmed = {terms.packet_id for what, terms in outcomes if what == "ok"}
        words = {what for what, _ in outcomes}
        if len(confirmed) > 1:
            wrong.append(f"{send_key} received {sorted(confirmed)}")
        if confirmed and made[send_key] != 1:
            wrong.append(f"{send_key} received ok and made {made[send_key]}")
        if made[send_key] and words and words <= NOTHING | {"bank_declined"}:
            wrong.append(f"{send_key} received {words} and yet sent")
        if "internal" in words or "key_reused" in words:
            wrong.append(f"{send_key} received {words}")
    return wrong


def requests_were_answered(world: World) -> list[str]:
    """Every request to a running server has its answer."""
    return [
        f"unanswered at server {one.number}: {call}" for one in world.servers for call in one.open_calls.values()
    ]


def memory_follows_the_record(world: World) -> list[str]:
    """Every server that is current has the members that are recorded."""
    recorded = world.tables.groups[GROUP].members
    wrong = []
    for server in world.servers:
        group = server.running.groups._groups.get(GROUP)
        if not server.running.changes.is_current:
            wrong.append(f"server {server.number} is not current")
        elif group is not None and group.members != recorded:
            wrong.append(f"server {server.number} has the members {group.members}, recorded are {recorded}")
    return wrong
