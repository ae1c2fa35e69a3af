"""The scenarios with a loop of their own, and those that need another server than ours."""

from __future__ import annotations

import asyncio
import itertools
import os
from pathlib import Path

import msgspec
import psutil
import pytest

from bench.cli import Options, spec_of
from bench.load.dialer import Dialer, LoginAttempt
from bench.load.run_spec import RunSpec
from bench.load.setup import SetupFailed
from bench.load.target import bare_server
from bench.load.verdict import judge
from bench.scenarios import SCENARIOS, flood, hot, idle, overload, push
from protocol import messages, tokens
from protocol.framing import frame
from protocol.messages import Message
from storage.postgres.database import Database
from tests.bench.conftest import LIMITS, generator_spec, run_scenario
from tests.bench.fake_server import FakeSession, serving
from tests.bench.test_cli import bench, figures_of
from tests.conftest import API_KEYS, PATIENCE_S, SEED_KEYS, Server, StartServer
from tests.wire.raw import use_timing

# --- echo -----------------------------------------------------------------------------------------------------


def test_echo_measures_the_bare_server_and_names_it(tmp_path: Path) -> None:
    file = tmp_path / "echo.json"
    shown = bench("echo", "--connections", 40, "--requests", 8_000, "--json", file)
    assert shown.returncode == 0, shown.stderr
    assert "this is the upper bound" in " ".join(shown.stdout.split())
    assert "money verdict" not in shown.stdout
    told = msgspec.json.decode(file.read_bytes())
    assert (told["loop"], told["durability"], told["answers"], told["errors"]) == (
        "closed",
        "none",
        {"gone": 8_000},
        {},
    )
    assert (told["missing"], told["duplicates"], told["oversold"], told["valid"]) == (0, 0, 0, True)
    assert set(told["money"].values()) == {0}
    assert told["cpu_s"]["server"] > 0
    assert (told["about"]["postgres"], told["about"]["config"]) == ("", "")


# --- login ----------------------------------------------------------------------------------------------------


async def test_login_repeats_storms_until_enough_logins(server: Server, database: Database) -> None:
    outcome = await run_scenario(RunSpec("login", connections=40, depth=8, requests=100, warmup_s=0.0), server)
    assert (outcome.connections, outcome.operations, outcome.histogram.count) == (40, 100, 100)
    assert (outcome.answers, outcome.errors) == ({"welcome": 100}, {})
    assert outcome.rate_per_s > 0
    assert (await judge(database, outcome, SEED_KEYS)).holds


async def test_login_in_an_open_loop_closes_after_each_welcome(server: Server) -> None:
    outcome = await run_scenario(
        RunSpec("login", connections=20, rate_per_s=500.0, seconds=0.2, warmup_s=0.0), server
    )
    assert (outcome.answers, outcome.errors, outcome.histogram.count) == ({"welcome": 100}, {}, 100)
    async with asyncio.timeout(PATIENCE_S):
        while server.app.listener.sessions:  # noqa: ASYNC110  no event says so
            await asyncio.sleep(0.01)


async def test_refused_login_is_not_a_welcome(server: Server) -> None:
    spec = generator_spec(RunSpec("login", connections=20, depth=4, requests=20), server.url)
    scenario = SCENARIOS["login"](spec, lambda _: None)
    await scenario.prepare()
    vars(scenario)["_tokens"] = [tokens.mint(user_id, 2**31, "test", b"another key") for user_id in range(1, 11)]
    await scenario.measure()
    outcome = scenario.outcome()
    assert (outcome.operations, outcome.answers) == (0, {})
    assert outcome.errors == {"unanswered": 20, "connection_lost": 20}


async def test_dialer_answers_pings_and_reports_the_end() -> None:
    replies: asyncio.Queue[tuple[LoginAttempt, Message | None]] = asyncio.Queue()
    async with serving() as fake:
        dialer = Dialer(fake.url, lambda attempt, reply: replies.put_nowait((attempt, reply)))
        dialer.dial(tokens.mint(7, 2**31, "k", b"key"), 0.0)
        attempt, reply = await replies.get()
        assert isinstance(reply, messages.Welcome)
        assert (attempt.token.user_id, attempt.welcomed) == (7, True)
        session: FakeSession = fake.sessions[0]
        session.send(messages.Ping(1), messages.Ping(2))
        async with asyncio.timeout(PATIENCE_S):
            while fake.pongs < 2:  # noqa: ASYNC110  no event says so
                await asyncio.sleep(0.01)
        session.transport.abort()
        assert await replies.get() == (attempt, None)
    dialer.dial(attempt.token, 0.0)  # the server has stopped
    again, reply = await replies.get()
    assert (again.welcomed, reply) == (False, None)
    dialer.close()


# --- flood ---------------------------------------------------------------------------------------------------


async def test_flood_counts_the_answers_to_reads_and_what_opens_and_logins_wait_for(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "TEXTS", 5)
    server = await start_server(limits__read_rows_per_s=1.0, limits__read_rows_burst=20.0)
    outcome = await run_scenario(RunSpec("flood", connections=3, seconds=0.8), server)
    assert (outcome.connections, outcome.answers["won"], outcome.extra["logins_failed"]) == (23, 40, 0)
    reads = {name: count for name, count in outcome.extra.items() if name.startswith("reads_")}
    assert reads == {
        "reads_caughtup": 15.0,  # 3 readers, 20 rows at once, and one reply that leaves a debt
        "reads_overloaded": 0.0,
        "reads_rate_limited": 21.0,
        "reads_store_unavailable": 0.0,
        "reads_other": 0.0,
    }
    assert outcome.spreads.keys() == {"open_idle_ms", "open_flood_ms", "login_idle_ms", "login_flood_ms"}


def test_flood_names_what_costs_others_more_than_it_may() -> None:
    holds = {
        "open_idle_p99_ms": 20.0,
        "open_flood_p99_ms": 50.0,
        "login_idle_p99_ms": 9.0,
        "login_flood_p99_ms": 200.0,
    }
    assert flood.Flood.beyond(holds) == []
    assert flood.Flood.beyond(holds | {"open_idle_p99_ms": 30.0, "open_flood_p99_ms": 60.0}) == []
    assert flood.Flood.beyond(holds | {"open_flood_p99_ms": 50.1, "login_flood_p99_ms": 1_500.0}) == [
        "login: p99 under the flood is 1,500.0 ms, more than 200.0",
        "open: p99 under the flood is 50.1 ms, more than 50.0",
    ]


async def test_flood_with_two_generators_opens_in_the_first_and_reads_in_the_second(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flood, "TEXTS", 5)
    server = await start_server()
    half = RunSpec("flood", connections=1, seconds=0.4, generators=2)
    first = await run_scenario(half, server, number=0)
    second = await run_scenario(half, server, number=1, first_user=50_000)
    assert (first.connections, first.answers["won"], first.extra["reads_caughtup"]) == (20, 20, 0.0)
    assert (second.connections, second.answers, second.extra["reads_caughtup"]) == (2, {}, 12.0)
    assert second.spreads == {}


# --- webhooks ---------------------------------------------------------------------------------------------------


async def test_webhooks_reports_the_lag_of_all_deliveries_while_a_third_of_the_endpoints_hang(
    start_server: StartServer, postgres_dsn: str
) -> None:
    server = await start_server(webhooks__allow_private=["127.0.0.1"])
    spec = RunSpec("webhooks", connections=2, rate_per_s=20.0, seconds=1.0)
    outcome = await run_scenario(spec, server, dsn=postgres_dsn)
    sent, extra = outcome.answers["sent"], outcome.extra
    assert (extra["deliveries"], extra["deliveries_missing"]) == (4 * sent, 0)
    assert extra["tries_that_hang"] >= 2
    assert 0 < extra["lag_p50_ms"] <= extra["lag_p99_ms"]
    assert outcome.spreads.keys() == {"webhook_lag_ms"}


# --- http -------------------------------------------------------------------------------------------------------

HTTP_LOOPS = {"closed": {"depth": 1, "requests": 120}, "open": {"rate_per_s": 600.0, "seconds": 0.2}}


@pytest.mark.parametrize("loop", HTTP_LOOPS)
async def test_http_sends_and_opens_on_behalf_of_users_and_the_books_agree(
    start_server: StartServer, database: Database, loop: str
) -> None:
    server = await start_server(http_api__address="127.0.0.1:0", **LIMITS)
    key = {"http_key_id": "api", "http_key_hex": API_KEYS["api"].hex(), "http_url": server.app.http_api.url}
    spec = RunSpec("http", connections=30, warmup_s=0.0, **HTTP_LOOPS[loop])
    outcome = await run_scenario(spec, server, server_pid=os.getpid(), **key)
    assert (outcome.connections, outcome.operations, outcome.errors) == (30, 120, {})
    assert outcome.answers == {"sent": 40, "won": 80}  # a third of the connections sends
    assert outcome.spreads.keys() == {"send_ms", "open_ms"}
    assert outcome.extra["server_cpu_us_each"] > 0
    verdict = await judge(database, outcome, SEED_KEYS)
    assert verdict.holds
    assert (len(outcome.sends), len(outcome.claims), verdict.difference_fen) == (44, 80, 0)


async def test_http_needs_a_server_with_the_api(server: Server) -> None:
    with pytest.raises(SetupFailed, match="no HTTP API"):
        await run_scenario(RunSpec("http", connections=3, depth=1, requests=3), server)


# --- idle -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["idle", "idle-websocket"])
async def test_idle_reports_the_cost_of_each_connection(
    start_server: StartServer, monkeypatch: pytest.MonkeyPatch, scenario: str
) -> None:
    monkeypatch.setattr(idle, "SETTLE_S", 0.0)
    monkeypatch.setattr(idle, "OTHER_USERS", 10)
    server = await start_server(websocket__listen="127.0.0.1:0")
    use_timing(server, ping_interval_s=0.1, pong_timeout_s=PATIENCE_S)
    assert server.app.websocket is not None
    known = {"server_pid": os.getpid(), "websocket_url": server.app.websocket.url}
    outcome = await run_scenario(RunSpec(scenario, connections=20, seconds=0.5), server, **known)
    assert (outcome.connections, outcome.operations, outcome.errors) == (20, 0, {})
    assert list(outcome.extra) == [
        "server_kib_each",
        "kernel_kib_each",
        "server_cpu_ms_each_per_s",
        "pings_answered",
    ]
    assert outcome.extra["pings_answered"] >= 20


async def test_idle_with_a_remote_server_is_refused(server: Server) -> None:
    with pytest.raises(SetupFailed, match="not on this machine"):
        await run_scenario(RunSpec("idle", connections=20, seconds=0.1), server)


# --- hot ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("durability", ["postgres", "redis"])
async def test_hot_reports_the_last_win_of_each_round(
    start_server: StartServer, database: Database, durability: str
) -> None:
    server = await start_server(stores__durability=durability, **LIMITS)
    outcome = await run_scenario(RunSpec("hot", connections=30, depth=1, requests=60), server)
    assert (outcome.answers, outcome.errors) == ({"won": 90}, {})  # one round is warm-up
    assert (outcome.operations, outcome.histogram.count) == (90, 60)
    assert (outcome.extra, list(outcome.spreads)) == ({"rounds": 2}, ["last_won_ms", "all_tapped_ms"])
    assert outcome.rate_per_s > 30 / outcome.histogram.most_ms
    verdict = await judge(database, outcome, SEED_KEYS)
    assert (verdict.holds, len(outcome.claims)) == (True, 90)


async def test_hot_waits_when_a_packet_is_busy(
    start_server: StartServer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hot, "SHARES", 3)
    server = await start_server(limits__tickets_per_share=1, limits__ticket_lifetime_s=0.3)
    outcome = await run_scenario(RunSpec("hot", connections=20, depth=1, requests=20), server)
    assert (outcome.answers, outcome.errors) == ({"won": 6, "gone": 34}, {})
    assert (await judge(database, outcome, SEED_KEYS)).holds


# --- push -----------------------------------------------------------------------------------------------------


async def test_push_times_every_delivery_at_both_servers(server: Server) -> None:
    with bare_server() as other:
        outcome = await run_scenario(
            RunSpec("push", connections=20, depth=3, requests=9), server, bare_url=other.url
        )
        other.check()
    assert not psutil.pid_exists(other.pids.server)
    assert (outcome.answers, outcome.errors) == ({"said": 19}, {})  # 10 of them to warm up
    assert (outcome.operations, outcome.counted, outcome.histogram.count) == (380, 180, 180)
    assert outcome.extra["deliveries_per_s"] == round(outcome.rate_per_s)
    assert outcome.extra["ratio"] > 0
    assert outcome.extra["bare_deliveries_per_s"] > 0


async def test_push_without_a_bare_server_is_refused(server: Server) -> None:
    with pytest.raises(SetupFailed, match="no bare server"):
        await run_scenario(RunSpec("push", connections=20, depth=3, requests=9), server)


class LateReplies(push.PushMember):
    """Receives each text at once and the reply to it much later, as from a busy server."""

    def send(self, framed: bytes) -> None:
        loop = asyncio.get_running_loop()
        text = frame(messages.encode(messages.TextPosted(0, 1, 1, 7, 0, push.TEXT)))
        loop.call_soon(self.data_received, text)
        loop.call_later(0.05, self.on_reply, messages.Said(1, 1, 1))


async def test_push_counts_replies_that_come_after_the_last_delivery() -> None:
    group = push.PushGroup([LateReplies(tokens.mint(7, 2**31, "k", b"key"))], 1)
    await group.write(5, depth=2)
    assert (group.received_by_all, len(group.replies)) == (5, 5)


@pytest.mark.long
def test_push_command_starts_both_servers(tmp_path: Path) -> None:
    told, shown = figures_of(tmp_path / "push.json", "push", "--connections", 30, "--requests", 6, "--depth", 2)
    assert (told["answers"], told["requests"], told["valid"]) == ({"said": 16}, 480, True)
    assert list(told["extra"]) == ["deliveries_per_s", "bare_deliveries_per_s", "ratio"]
    assert "group_members_max = 20000" in told["about"]["config"]
    assert "2 texts in flight at once" in " ".join(shown.split())


# --- day ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "loop", [{"depth": 2, "requests": 1200}, {"rate_per_s": 2400.0, "seconds": 0.5}], ids=["closed", "open"]
)
async def test_day_has_operations_of_every_kind(
    start_server: StartServer, database: Database, loop: dict[str, float]
) -> None:
    outcome = await run_scenario(RunSpec("day", connections=60, warmup_s=0.0, **loop), await start_server(**LIMITS))
    outcome.answers.setdefault("grab_new busy", 0)  # unless many tap before the first opens
    assert sorted(outcome.answers) == [
        "balance",
        "catch_up",
        "grab_new busy",
        "grab_new gone",
        "grab_new won",
        "grab_old claimed",
        "grab_old gone",
        "send",
        "text",
    ]
    assert outcome.errors.keys() <= {"store_unavailable"}  # PostgreSQL may get no turn for a second
    assert outcome.operations == 1200 == sum(outcome.answers.values()) + sum(outcome.errors.values())
    assert 460 < outcome.answers["grab_old gone"] + outcome.answers["grab_old claimed"] < 620  # 45 %
    kinds = ["text_ms", "grab_old_ms", "grab_new_ms", "send_ms", "balance_ms", "catch_up_ms"]
    assert list(outcome.spreads) == kinds
    assert sum(one.total_fen == 500 for one in outcome.sends) >= outcome.answers["send"] > 10
    verdict = await judge(database, outcome, SEED_KEYS)
    assert (verdict.holds, verdict.in_doubt) == (True, 0)


# --- the command line -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scenario", "options", "message"),
    [
        ("hot", Options(rate=5), "hot takes no --rate: it is a closed loop, in which all users act at once"),
        ("push", Options(rate=5, generators=2), "push takes no --rate and --generators: it is a closed loop"),
        ("idle", Options(depth=2), "idle takes no --depth: users send no requests"),
        ("echo", Options(url="tcp://127.0.0.1:1"), "echo takes no --url: it starts a server of its own"),
        ("echo", Options(seconds=2), "echo is a closed loop without --rate"),
        ("echo", Options(find_max=True, p99_ms=5), "echo --find-max needs a --rate to begin with"),
        ("login", Options(url="tls://127.0.0.1:1"), "login takes no tls://: its dialer uses tcp only"),
        ("login", Options(connections=10_000_000), "at most .* connections: each is an open file"),
    ],
)
def test_options_without_a_meaning_are_refused(scenario: str, options: Options, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        spec_of(scenario, options)


def test_missing_options_have_the_standard_of_the_scenario() -> None:
    assert spec_of("echo", Options()) == RunSpec("echo", 200, depth=1, requests=200_000)
    assert spec_of("echo", Options(rate=100)) == RunSpec("echo", 200, rate_per_s=100.0, seconds=10.0)
    assert spec_of("hot", Options()) == RunSpec("hot", 500, depth=1, requests=10_000)
    assert spec_of("hot", Options(connections=5_000)) == RunSpec("hot", 5_000, depth=1, requests=100_000)
    assert spec_of("idle", Options(seconds=30)) == RunSpec("idle", 10_000, seconds=30.0)
    assert spec_of("push", Options()) == RunSpec("push", 2_000, depth=4, requests=150)
    assert spec_of("login", Options(closed=True)) == RunSpec("login", 10_000, depth=256, requests=30_000)
    assert spec_of("day", Options()) == RunSpec("day", 1_000, rate_per_s=2_000.0, seconds=10.0)


async def test_overload_reports_each_step_and_the_books_agree(
    start_server: StartServer, database: Database
) -> None:
    server = await start_server(**LIMITS)
    outcome = await run_scenario(RunSpec("overload", connections=40, rate_per_s=1_500.0, seconds=1.4), server)
    assert outcome.operations == sum(round(1_500 * times * 0.2) for times in overload.STEPS)
    assert outcome.errors.keys() <= {"overloaded", "store_unavailable"}  # PostgreSQL may get no turn for a second
    assert outcome.answers["won"] + sum(outcome.errors.values()) == outcome.operations
    assert {f"step{place}_{times:g}x_ms" for place, times in enumerate(overload.STEPS)} == outcome.spreads.keys()
    assert outcome.extra["maximum_per_s"] == 1_500
    assert 0 <= outcome.extra["goodput_at_2x_of_peak"] <= 1
    assert outcome.extra["recovery_s"] >= 0
    assert (await judge(database, outcome, SEED_KEYS)).holds


def test_overload_peak_excludes_answers_after_the_overload() -> None:
    scenario = overload.Overload(
        generator_spec(RunSpec("overload", 1, rate_per_s=5.0, seconds=7.0), ""), lambda _: None
    )
    log, user_ids = scenario.log, itertools.count(1)
    for step, told in enumerate([2, 5, 3, 4, 3, 9, 7]):  # in steps of a second
        for _ in range(told):
            log.starts_s.append(step + 0.25)
            log.ends_s.append(step + 0.5)
            log.users.append(next(user_ids))
            log.replies.append(messages.Opened(1, 1, "won"))
    log.starts_s.append(4.75)  # refused; all later ones are served
    log.ends_s.append(5.25)
    log.users.append(next(user_ids))
    log.replies.append(messages.Refused(1, 501, "overloaded", True, 500))
    extra = scenario.outcome().extra
    goodput = [extra[f"{name}_goodput_per_s"] for name in overload.NAMES]
    assert goodput == [2, 5, 3, 4, 3, 9, 7]
    assert extra["goodput_at_2x_of_peak"] == 0.8
    assert (extra["step4_3x_overloaded"], extra["recovery_s"]) == (1, 0.0)
