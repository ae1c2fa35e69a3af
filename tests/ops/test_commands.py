"""Every command of the status socket, sent to a server on real stores."""

from __future__ import annotations

import asyncio
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bench.chaos.proxy import Proxy
from protocol import codes
from server import logs
from server.ops.samples.sampler import SAMPLES_KEPT
from server.ops.socket.commands import MOST_MAX
from server.ops.socket.old_names import RENAMED_KEYS, RenamedKey, add_old_keys, remove_old_keys
from server.ops.socket.status_socket import ask
from server.reload import Outcome
from tests.cases import each
from tests.conftest import DAY_MS, PATIENCE_S, Connect, Server, StartServer, Turn
from tests.ops.conftest import Ask, MakeParty, until

READS = {
    "audit",
    "breaks",
    "connections",
    "corrections",
    "group",
    "groups",
    "help",
    "packet",
    "payment",
    "payments",
    "preview-correction",
    "rates",
    "reconciliation",
    "refunds",
    "settlement",
    "status",
    "stores",
    "user",
}
CHANGES = {
    *("conclude", "disconnect", "drain", "kick", "log-level", "reload", "restart"),
    *("reconcile", "fetch-statement", "own-break", "close-break"),
    *("propose-correction", "approve-correction", "reject-correction"),
}


async def test_help_lists_every_command_and_every_renamed_key(server: Server, ask_server: Ask) -> None:
    answer = await ask_server("help")
    assert {(key["command"], key["new"]) for key in answer["renamed_keys"]} == {
        (key.command, key.new) for key in RENAMED_KEYS
    }
    table = answer["commands"]
    by_role = {
        role: {row["command"].split()[0] for row in table if row["role"] == role} for role in ("read", "change")
    }
    assert by_role == {"read": READS, "change": CHANGES}
    assert all(row["help"] for row in table)
    assert set((await ask_server("nonsense"))["commands"]) == READS | CHANGES


@each(
    "words",
    [
        ("status", "now"),
        ("help", "me"),
        ("rates", "--seconds"),
        ("rates", "--seconds", 0),
        ("rates", "--seconds", SAMPLES_KEPT),
        ("rates", "10"),
        ("connections", "--sort", "beauty"),
        ("connections", "--most", MOST_MAX + 1),
        ("connections", "--most", "many"),
        ("packet",),
        ("packet", 1, 2),
        ("packet", "-1"),
        ("packet", "1e3"),
        ("packet", "٣"),
        ("packet", 2**63),
        ("packet", "9" * 500),
        ("user", "alice"),
        ("group", ""),
        ("stores", 1),
        ("settlement", 1),
        ("refunds", 1),
        ("audit", "--now"),
        ("log-level", "loud"),
        ("log-level",),
        ("disconnect",),
        ("conclude",),
        ("conclude", 5),
        ("conclude", "five", "confirm"),
        ("conclude", 5, "confirm", "why"),
        ("conclude", 5, "decline"),
        ("conclude", 5, "decline", "x" * 201),
        ("kick",),
        ("drain", "now"),
        ("reload", "now"),
        ("reconcile",),
        ("reconcile", "relative/path.csv"),
        ("fetch-statement", "bank", "2026-11-28"),
        ("fetch-statement", "bank", "today", "/folder"),
        ("fetch-statement", "bank", "2026-11-28", "folder"),
        ("reconciliation", "last"),
        ("breaks", "--state", "closed"),
        ("breaks", "--class", "matched"),
        ("breaks", "--day", "today"),
        ("own-break",),
        ("own-break", 1, 2),
        ("close-break", 1),
        ("corrections", "--break", "x"),
        ("preview-correction", 1, "outside", 1),
        ("preview-correction", 1, "sponsor", 1, 5),
        ("propose-correction", 1, "outside", 1, 5),
        ("propose-correction", 1, "outside", 1, 0, "0" * 12),
        ("propose-correction", 1, "-3", 1, 5, "0" * 12),
        ("approve-correction", "all"),
        ("reject-correction", 1),
    ],
)
async def test_bad_arguments_are_answered_with_the_usage(
    server: Server, ask_server: Ask, words: tuple[object, ...]
) -> None:
    answer = await ask_server(*words)
    assert answer.keys() == {"error", "usage"}
    assert answer["usage"].startswith(str(words[0]))


async def test_status_and_rates_show_what_clients_did(server: Server, ask_server: Ask, party: MakeParty) -> None:
    guests = await party(server, 3)
    packet = await guests.lucky(1_000, 3)
    await guests.all_open(packet)
    status = await ask_server("status")
    assert (status["state"], status["ready"], status["reasons"], status["degraded"]) == ("serving", True, [], [])
    assert (status["durability"], status["connections"], status["users_online"]) == ("postgres", 5, 5)
    assert status["requests"] == {
        "login": 5,
        "top_up": 1,
        "create_group": 1,
        "get_invite": 1,
        "join_group": 3,
        "send_packet": 1,
        "grab": 3,
        "open": 3,
    }
    assert status["answers"] == {"ticket": 3, "won": 3}
    assert status["commit"]["claims"] == 3
    assert (
        status["money_fen"].items()
        >= {"topped_up": 100_000, "sent": 1_000, "claimed": 1_000, "refunded": 0}.items()
    )
    assert status["stores"] == {"postgres": "up", "redis": "up"}

    sample = server.app.operations.sampler.now()
    assert (sample.open_ms.number, sample.sends, sample.accepted) == (3, 1, 5)
    assert 1 <= sample.postgres_ms.number == sample.batches <= 3
    assert sample.redis_ms.number >= sample.batches
    assert sample.rss_bytes > 10_000_000

    async def is_finished() -> bool:  # a sample may be taken while the opens are being decided
        hottest = (await ask_server("rates", "--seconds", 3))["hottest"]
        return bool(hottest == [{"packet": str(packet), "opens": 3, "left": 0}])

    await until(is_finished)
    answer = await ask_server("rates")
    assert answer["now"]["connections"] == 5
    assert answer["rates"]["seconds"] >= 0


async def test_connections_have_the_requested_order(server: Server, ask_server: Ask, connect: Connect) -> None:
    one, two, three = [await connect(server, user_id) for user_id in (1, 2, 3)]
    for _ in range(5):
        await two.balance()
    await three.balance()
    by_requests = await ask_server("connections", "--sort", "requests", "--most", 2)
    assert by_requests["total"] == by_requests["in_all"] == 3
    assert [(row["user_id"], row["requests"]) for row in by_requests["connections"]] == [(2, 6), (3, 2)]
    assert by_requests["connections"][0]["address"].startswith("127.0.0.1:")
    now_s = server.app.listener.now_s()
    for session in server.app.listener.sessions.values():
        session.heard_s = now_s - session.user_id * 100
    by_idle_time = (await ask_server("connections", "--sort", "idle"))["connections"]
    assert [(row["user_id"], row["idle_s"] // 100) for row in by_idle_time] == [(3, 3), (2, 2), (1, 1)]
    by_bytes = (await ask_server("connections"))["connections"]
    assert [row["pending_bytes"] for row in by_bytes] == [0, 0, 0]
    assert one.is_connected


async def test_connection_that_does_not_read_is_listed_first(
    start_server: StartServer, ask_server: Ask, connect: Connect
) -> None:
    server = await start_server(limits__outgoing_bytes_max=100_000_000)
    await connect(server, 1)
    stalled = await connect(server, 2)
    (session,) = server.app.hub.sessions(2)
    stalled._connection._transport._socket.pause_reading()  # type: ignore[union-attr]
    session.push(bytes(30_000_000), can_wait=False)
    await asyncio.sleep(0)
    first = (await ask_server("connections", "--most", 1))["connections"]
    assert [(row["user_id"], row["pending_bytes"] > 1_000_000) for row in first] == [(2, True)]


async def test_packet_is_shown_in_every_layer_without_its_seed(
    server: Server, ask_server: Ask, party: MakeParty
) -> None:
    guests = await party(server, 3)
    packet = await guests.lucky(1_000, 3)
    live = server.app.services.live_packets.get(packet)
    assert live is not None
    assert live.packet is not None
    seed = live.packet.terms.seed
    assert len(seed) == 32
    won = (await guests.all_open(packet, guests.guests[:2]))[-1]
    found = await ask_server("packet", packet)
    assert found["packet"] == str(packet)
    assert (found["state"], found["kind"], found["sender_id"], found["target"]) == (
        "open",
        "lucky",
        1,
        str(guests.group),
    )
    record = found["record"]
    assert (record["claims"], record["closed_at_ms"]) == (2, None)
    assert record["claimed_fen"] + record["unopened_fen"] == 1_000
    remove_old_keys("packet", found)
    assert found["memory"] == {
        "loading": False,
        "claims": 2,
        "durable_claims": 2,
        "batches_in_flight": 0,
        "waiting": 0,
        "rejected": 0,
        "mirrored": True,
    }
    assert found["mirror"] == {"bytes": 41, "claims": 2, "closed": False, "readable": True}
    assert {(one["user_id"], one["amount_fen"]) for one in found["newest_claims"]} > {(3, won.amount_fen)}
    assert [one["index"] for one in found["newest_claims"]] == [1, 0]
    assert seed.hex() not in str(found)

    del server.app.services.live_packets._by_id[packet]
    assert (await ask_server("packet", packet))["memory"] is None
    assert await ask_server("packet", packet + 1) == {"error": f"there is no packet {packet + 1}"}


async def test_user_and_group_are_shown(server: Server, ask_server: Ask, party: MakeParty) -> None:
    guests = await party(server, 2)
    await guests.lucky(1_000, 3)
    await guests.guests[0].close()

    async def has_left() -> bool:
        return (await ask_server("group", guests.group))["online"] == 2

    await until(has_left)
    assert await ask_server("group", guests.group) == {
        "group": str(guests.group),
        "name": "party",
        "owner_id": 1,
        "members": 3,
        "online": 2,
        "last_message": 1,
    }
    sender = await ask_server("user", 1)
    assert (sender["user_id"], sender["balance_fen"], sender["arriving_fen"]) == (1, 99_000, 0)
    assert [chat["stream"] for chat in sender["chats"]] == [str(guests.group)]
    assert sender["chats_total"] == 1
    assert (sender["places"], sender["places_in_all"]) == (sender["chats"], 1)  # old names
    assert len(sender["connections"]) == 1
    absent = await ask_server("user", 2)
    assert (absent["connections"], len(absent["chats"])) == ([], 1)
    stranger = await ask_server("user", 999)
    assert (stranger["balance_fen"], stranger["known"], sender["known"]) == (0, False, True)
    assert await ask_server("group", 5) == {"error": "there is no group 5"}


async def test_stores_settlement_and_refunds_are_shown(
    start_server: StartServer, ask_server: Ask, party: MakeParty, turn_clock: Turn
) -> None:
    server = await start_server(refunds__interval_s=0.01)
    guests = await party(server, 3)
    packet = await guests.lucky(1_000, 3)
    (won,) = await guests.all_open(packet, guests.guests[:1])
    stores = await ask_server("stores")
    assert stores["postgres"]["up"] is stores["redis"]["up"] is True
    assert stores["redis"]["settings"]["appendfsync"] == "always"
    assert stores["postgres"]["version"].split(".")[0].isdecimal()
    assert stores["postgres"]["pool_open"] >= 1
    turn_clock(DAY_MS)

    async def is_refunded() -> bool:
        refunds = await ask_server("refunds")
        return refunds["refunded_packets"] == 1 and (await ask_server("settlement"))["outbox"]["posted"] == 2

    await until(is_refunded)
    settlement = await ask_server("settlement")
    remove_old_keys("settlement", settlement)
    assert settlement == {
        "settled": 1,
        "in_flight": 0,
        "waiting": {"claims": 0, "amount_fen": 0, "oldest_at_ms": None, "age_s": 0.0},
        "outbox": {"posted": 2, "waiting_rows": 0},
    }
    assert await ask_server("refunds") == {
        "refunded_packets": 1,
        "refunded_fen": 1_000 - won.amount_fen,
        "due_packets": 0,
        "oldest_due": None,
    }
    status = await ask_server("status")
    assert status["money_fen"]["refunded"] == 1_000 - won.amount_fen
    await server.app.operations._figures.query_once()
    assert (await ask_server("status"))["money_fen"]["in_packets"] == 0


async def test_settlement_shows_the_claims_that_wait(server: Server, ask_server: Ask, party: MakeParty) -> None:
    guests = await party(server, 2)

    stands_still = asyncio.Event()

    async def never_settle(*_: object) -> tuple[int, list[Any]]:
        stands_still.set()
        await asyncio.sleep(3600)
        raise AssertionError

    server.app.stores.settlement.settle = never_settle  # type: ignore[method-assign]
    server.app.services.settlement._wake.set()  # else the round in progress would take the claim
    await asyncio.wait_for(stands_still.wait(), PATIENCE_S)
    packet = await guests.lucky(1_000, 3)
    (won,) = await guests.all_open(packet, guests.guests[:1])
    waiting = (await ask_server("settlement"))["waiting"]
    assert (waiting["claims"], waiting["amount_fen"]) == (1, won.amount_fen)
    await server.app.operations._figures.query_once()
    status = await ask_server("status")
    assert status["settlement"].items() >= {"waiting_claims": 1, "waiting_fen": won.amount_fen}.items()
    assert status["money_fen"]["in_packets"] == 1_000 - won.amount_fen


async def test_audit_result_is_kept_when_a_later_audit_fails(
    server: Server, ask_server: Ask, party: MakeParty, sql: Any
) -> None:
    audits = server.app.operations._audits
    guests = await party(server, 2)
    await guests.all_open(await guests.lucky(1_000, 3))
    assert await ask_server("audit") == {"running": True, "ok": None, "last": None, "fault": None}

    async def has_ended() -> bool:
        return not (await ask_server("audit"))["running"]

    await until(has_ended, within_s=60)
    good = await ask_server("audit")
    assert (good["running"], good["ok"], good["last"]["discrepancies"], good["fault"]) == (False, True, 0, None)
    assert " 1 packets, 2 claims, " in good["last"]["checked"]
    assert (await ask_server("status"))["audit"] == good["last"]

    await sql.execute("UPDATE wallets SET balance_fen = balance_fen + 1 WHERE user_id = 1")
    assert (await ask_server("audit"))["last"] == good["last"]  # no new audit was requested
    assert (await ask_server("audit", "--again"))["running"]
    await until(has_ended, within_s=60)
    bad = await ask_server("audit")
    assert (bad["ok"], bad["last"]["discrepancies"]) == (False, 3)
    assert bad["last"]["first"][0].startswith("wallets: wallet of user 1 holds")

    dsns, audits._dsns = audits._dsns, ("postgresql:///?host=/nowhere",)
    assert (await ask_server("audit", "--again"))["running"]
    await until(has_ended, within_s=60)
    failed = await ask_server("audit")
    assert (failed["ok"], failed["last"]) == (False, bad["last"])
    assert failed["fault"]["why"].startswith("PostgreSQL: ")
    status = await ask_server("status")
    assert (status["audit"], status["audit_fault"]) == (bad["last"], failed["fault"])

    audits._dsns = dsns
    await ask_server("audit", "--again")
    await until(has_ended, within_s=60)
    assert (await ask_server("audit"))["fault"] is None


async def test_disconnect_closes_the_connections_of_one_user(
    server: Server, ask_server: Ask, connect: Connect
) -> None:
    client, other = await connect(server, 7), await connect(server, 8)
    with capture_logs() as events:
        assert await ask_server("disconnect", 7) == {"closed": 1}
    assert [(event["event"], event["command"], event["uid"], event["pid"]) for event in events] == [
        ("operator_changes", ["disconnect", "7"], os.getuid(), os.getpid())
    ]

    async def has_reconnected() -> bool:
        return client.reconnects == 1 and client.is_connected

    await until(has_reconnected)
    assert other.reconnects == 0
    assert server.app.listener.closes[codes.Close.BY_OPERATOR] == 1
    assert codes.should_reconnect(codes.Close.BY_OPERATOR)
    assert await ask_server("disconnect", 9) == {"error": "user 9 has no connection"}


async def test_kick_disconnects_and_names_its_new_name(server: Server, ask_server: Ask, connect: Connect) -> None:
    await connect(server, 7)
    assert await ask_server("kick", 7) == {"closed": 1, "deprecated": "kick is now called disconnect"}
    rows = {row["command"].split()[0]: row for row in (await ask_server("help"))["commands"]}
    assert rows["kick"]["help"].startswith("the old name of disconnect")
    assert rows["kick"]["role"] == rows["disconnect"]["role"] == "change"


async def test_status_has_the_old_keys_with_the_values_of_the_new_ones(server: Server, ask_server: Ask) -> None:
    server.app.services.commit.unrecorded, server.app.services.commit.rejected_claims = 3, 4
    commit = (await ask_server("status"))["commit"]
    renamed = [key for key in RENAMED_KEYS if key.command == "status"]
    assert {key.new: commit[key.new] for key in renamed} == {"in_flight": 3, "rejected": 4}
    assert all(commit[key.old] == commit[key.new] for key in renamed)
    server.app.services.commit.unrecorded = 0  # else the server would wait for these claims when it stops


@pytest.mark.parametrize("key", RENAMED_KEYS)
def test_old_keys_are_added_and_removed(key: RenamedKey) -> None:
    inner = {key.new: 5, "other": 6}
    answer: dict[str, Any] = {key.parent: dict(inner)} if key.parent else dict(inner)
    before = deepcopy(answer)
    add_old_keys(key.command, answer)
    assert (answer[key.parent] if key.parent else answer)[key.old] == 5
    remove_old_keys(key.command, answer)
    assert answer == before


def test_old_keys_are_not_added_to_an_answer_without_that_part() -> None:
    answer: dict[str, Any] = {"packet": "5", "memory": None}
    add_old_keys("packet", answer)
    assert answer == {"packet": "5", "memory": None}


async def test_log_level_is_set(server: Server, ask_server: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    levels: list[str] = []
    monkeypatch.setattr(logs, "set_level", levels.append)
    assert await ask_server("log-level", "debug") == {"log_level": "debug"}
    assert levels == ["debug"]


async def test_reload_reports_what_changed(server: Server, ask_server: Ask) -> None:
    assert await ask_server("reload") == {
        "error": "this server was started without a config that can be read again"
    }
    server.app._reload = lambda apply: Outcome(changed=["limits.shares_max"], needs_restart=[], fault="")
    assert await ask_server("reload") == {"changed": ["limits.shares_max"], "needs_restart": []}
    server.app._reload = lambda apply: Outcome(changed=[], needs_restart=[], fault="no such file")
    assert await ask_server("reload") == {"error": "no such file"}


async def test_drain_stops_the_server(server: Server, ask_server: Ask, connect: Connect) -> None:
    client = await connect(server, 7)
    assert await ask_server("drain") == {"draining": True}
    assert server._task is not None
    await asyncio.wait_for(asyncio.shield(server._task), 10)
    assert not client.is_connected
    with pytest.raises(OSError, match="No such file"):
        await ask_server("status")


async def test_lookups_report_a_frozen_redis_and_still_answer(
    start_server: StartServer, ask_server: Ask, party: MakeParty, redis_proxy: tuple[Proxy, str]
) -> None:
    proxy, url = redis_proxy
    server = await start_server(stores__redis=url)
    packet = await (await party(server, 2)).lucky(1_000, 3)
    proxy.stall()
    try:

        async def is_known() -> bool:
            return not (await ask_server("stores"))["redis"]["up"]

        await until(is_known)
        stores = await ask_server("stores")
        assert stores["postgres"]["up"] is True
        assert stores["redis"]["why"].startswith("Redis: Timeout")
        assert stores["redis"]["read_error"].startswith("Redis: Timeout")
        found = await ask_server("packet", packet)
        assert (found["packet"], found["mirror"]) == (str(packet), {"error": "no answer within 1 s"})
    finally:
        proxy.flow()


async def test_server_answers_operators_without_stores(
    start_server: StartServer,
    ask_server: Ask,
    postgres_proxy: tuple[Proxy, str],
    redis_proxy: tuple[Proxy, str],
) -> None:
    (postgres, dsn), (redis, url) = postgres_proxy, redis_proxy
    await start_server(stores__postgres=dsn, stores__redis=url)
    await postgres.cut()
    await redis.cut()

    async def is_not_ready() -> bool:
        postgres.break_connections()  # those that were being opened during the cut
        return not (await ask_server("status"))["ready"]

    await until(is_not_ready)
    status = await ask_server("status")
    (reason,) = status["reasons"]
    assert reason.startswith("postgres is away: PostgreSQL: ")
    assert status["stores"]["postgres"].startswith("away: ")
    for words in (
        ("packet", 1),
        ("user", 1),
        ("group", 1),
        ("payment", 1),
        ("payments",),
        ("breaks",),
        ("close-break", 1, "why"),
        ("approve-correction", 1),
        ("settlement",),
        ("refunds",),
    ):
        answer = await ask_server(*words)
        assert answer["error"].startswith("PostgreSQL: "), answer

    async def both_are_away() -> bool:
        stores = await ask_server("stores")
        return stores["postgres"]["up"] is stores["redis"]["up"] is False

    await until(both_are_away)
    assert (await ask_server("stores"))["redis"]["why"].startswith("Redis: ")
    assert len((await ask_server("help"))["commands"]) == len(READS | CHANGES)
    assert (await ask_server("rates"))["now"]["state"] == "serving"

    await postgres.heal()
    await redis.heal()

    async def is_healthy() -> bool:
        status = await ask_server("status")
        return bool(status["ready"] and not status["degraded"])

    await until(is_healthy)


async def test_server_answers_operators_before_its_stores_respond(
    start_server: StartServer, ask_server: Ask, postgres_proxy: tuple[Proxy, str]
) -> None:
    proxy, dsn = postgres_proxy
    proxy.stall()
    starting = asyncio.create_task(start_server(stores__postgres=dsn))  # type: ignore[arg-type]

    async def is_starting() -> bool:
        try:
            return (await ask_server("status"))["state"] == "starting"
        except OSError:
            return False

    await until(is_starting)
    status = await ask_server("status")
    assert (status["ready"], status["reasons"][0]) == (False, "the server is starting")
    proxy.flow()
    await starting
    assert (await ask_server("status"))["state"] == "serving"


async def test_socket_path_mode_and_tcp_follow_the_config(
    start_server: StartServer, tmp_path: Path, unused_tcp_port: int
) -> None:
    path = tmp_path / "ops.sock"
    await start_server(ops__socket=str(path), ops__socket_mode="0660", ops__tcp=f"127.0.0.1:{unused_tcp_port}")
    assert path.stat().st_mode & 0o777 == 0o660
    assert (await ask(path, "status"))["state"] == "serving"
    reader, writer = await asyncio.open_connection("127.0.0.1", unused_tcp_port)
    writer.write(b"settlement\ndisconnect 1\n")
    assert b'"settled":0' in await reader.readline()
    assert b"error" in await reader.readline()
    writer.close()
