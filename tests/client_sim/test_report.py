"""The picture and the report of a crowd: they fit the terminal and have the right figures."""

from __future__ import annotations

import io
from random import Random

import pytest
from rich.cells import cell_len
from rich.console import Console, RenderableType

from client_sim.sdk import fairness
from client_sim.sdk.money import YUAN, MoneyUnit, yuan
from client_sim.sim import run_report, scenarios, screen
from client_sim.sim.acts import ACTS
from client_sim.sim.books import Order
from client_sim.sim.crowd import Crowd
from client_sim.sim.sim_context import name_of, user_id_at
from client_sim.sim.words import GREETINGS, TEXTS
from protocol import tokens
from protocol.messages import ClaimLine, Opened, PacketFinished, PacketSent, Revealed
from tests.points import COINS, POINTS, yuan_in

SEED, GROUP, PACKET, SHARES, TOTAL_FEN = 7, 2**60, 2**61, 30, 8888
PEOPLE = [user_id_at(SEED, index) for index in range(SHARES)]
AMOUNTS = fairness.lucky_shares(bytes(32), TOTAL_FEN, SHARES, 1, 20_000)
BEST = AMOUNTS.index(max(AMOUNTS))


def mint(user_id: int) -> str:
    return str(tokens.mint(user_id, 2_000_000_000, "k1", bytes(32)))


@pytest.fixture
def language() -> str:
    """That of the crowd; tests of the other one replace it."""
    return "zh"


@pytest.fixture
def unit() -> MoneyUnit:
    """That of the server; tests of another one replace it."""
    return YUAN


@pytest.fixture
async def crowd(language: str, unit: MoneyUnit) -> Crowd:
    """A crowd in which one lucky packet was opened to the last share."""

    size = {"users": 60, "groups": 2, "seconds": 20}
    crowd = scenarios.prepare("crowd", "tcp://127.0.0.1:1", mint, **size, seed=SEED, language=language)
    crowd.context.money = unit
    commitment = fairness.commitment(bytes(32), PACKET, TOTAL_FEN, SHARES)
    for user_id in PEOPLE:
        crowd.witness.streams.allow(user_id, GROUP)
    crowd.context.record_send(
        Order(PEOPLE[0], "lucky", GROUP, TOTAL_FEN, SHARES), PacketSent(1, PACKET, TOTAL_FEN, commitment, 99)
    )
    for index, user_id in enumerate(PEOPLE):
        crowd.context.record_open(user_id, Opened(1, PACKET, "won", AMOUNTS[index], index), 1.5)
    crowd.witness.record_push(
        PEOPLE[0], PacketFinished(0, PACKET, GROUP, SHARES, 3400, PEOPLE[BEST], AMOUNTS[BEST])
    )
    claims = [ClaimLine(index, PEOPLE[index], AMOUNTS[index], 1000 + index) for index in range(SHARES)]
    crowd.witness.record_reveal(
        Revealed(
            1,
            PACKET,
            "lucky",
            "finished",
            PEOPLE[0],
            TOTAL_FEN,
            SHARES,
            20_000,
            commitment,
            bytes(32),
            BEST,
            claims,
        )
    )
    return crowd


def drawn(what: RenderableType, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=24, force_terminal=True, color_system=None)
    console.print(what)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().rstrip("\n").split("\n")


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (60, 16), (120, 40)])
async def test_picture_at_any_size_fits_the_terminal(crowd: Crowd, width: int, height: int) -> None:
    lines = drawn(screen.Picture("crowd", crowd).panel(height), width)
    assert len(lines) < height
    assert max(map(cell_len, lines)) <= width


async def test_report_at_80_columns_fits_and_has_the_figures(crowd: Crowd) -> None:
    lines = drawn(run_report.report(crowd, crowd.summary()))
    text = "\n".join(lines)
    assert max(map(cell_len, lines)) <= 80
    assert "30个红包共88.88元，3秒被抢光" in text
    assert "抢光的 1 个红包中 1 个公开了种子" in text


@pytest.mark.parametrize("language", ["en"])
async def test_english_picture_and_report_have_only_names_in_chinese(crowd: Crowd) -> None:
    picture = screen.Picture("crowd", crowd)
    lines = [*drawn(run_report.report(crowd, crowd.summary())), *drawn(picture.panel(40)), picture.line()]
    text = "\n".join(lines)
    for name in sorted((name_of(user_id) for user_id in PEOPLE), key=len, reverse=True):
        text = text.replace(name, "")
    assert [sign for sign in text if "\u3000" <= sign <= "\uffef"] == []
    for part in ("30 shares, ¥88.88 in all, gone in 3 s", "best luck", "1 of 1 finished packets revealed"):
        assert part in text
    for table in (TEXTS, GREETINGS):
        assert all(one.en.isascii() or "…" in one.en for one in table)


@pytest.mark.parametrize("unit", [POINTS, COINS], ids=["points", "coins"])
@pytest.mark.parametrize("language", ["zh", "en"])
async def test_picture_and_report_in_another_unit_never_name_yuan(crowd: Crowd, unit: MoneyUnit) -> None:
    crowd.witness.record_open(PEOPLE[0], Opened(1, PACKET, "won", 1, 0), 1.0)  # a contradiction, with amounts
    picture = screen.Picture("crowd", crowd)
    report = drawn(run_report.report(crowd, crowd.summary()))
    text = "\n".join([*report, *drawn(picture.panel(40)), picture.line(), *crowd.context.ticker])
    assert unit.short(crowd.context.language, TOTAL_FEN) in text
    assert "won twice" in text
    assert yuan_in(text) == []


async def test_user_speaks_and_sends_in_the_language_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    for language in ("zh", "en"):
        crowd = scenarios.prepare("crowd", "tcp://127.0.0.1:1", mint, seed=SEED, language=language)
        user, said, wished = crowd.users[0], [], []

        async def say(_: int, text: str, said: list[str] = said) -> None:
            said.append(text)

        async def send(*words: object, wished: list[object] = wished, **card: object) -> PacketSent:
            wished.append(words[-1])
            return PacketSent(1, PACKET + len(wished), 100, bytes(32), 99)

        monkeypatch.setattr(user.client, "say", say)
        monkeypatch.setattr(user.client, "send_packet", send)
        for number in range(40):
            await ACTS["say"](user, Random(number))
            await user.send(Order(user.user_id, "lucky", GROUP, 100, 1), Random(number))
        assert set(said) == {one.in_language(language) for one in TEXTS}
        assert set(wished) == {one.in_language(language) for one in GREETINGS}
        assert crowd.groups[0].name == {"zh": "群1", "en": "group 1"}[language]


async def test_result_list_that_is_shortened_shows_the_best_luck_once(crowd: Crowd) -> None:
    best = crowd.best_packet()
    assert best is not None
    lines = [line for line in drawn(run_report.result_list(best, {}, "zh", YUAN)) if "手气最佳" in line]
    assert len(lines) == 1
    assert name_of(PEOPLE[BEST]) in lines[0]
    assert yuan(AMOUNTS[BEST]) in lines[0]


async def test_verdict_of_a_failed_run_names_contradictions_and_failures(crowd: Crowd) -> None:
    crowd.witness.record_open(PEOPLE[0], Opened(1, PACKET, "won", 1, 0), 1.0)
    crowd.witness.record_failure("Lin", RuntimeError("boom"))
    text = "\n".join(drawn(run_report.verdict(crowd.summary(), "zh", YUAN)))
    assert "won twice" in text
    assert "boom" in text


async def test_log_line_is_one_line_with_phase_and_counts(crowd: Crowd) -> None:
    line = screen.Picture("crowd", crowd).line()
    assert "等待：0 人在线，1 个红包" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("took_ms", "text"),
    [
        (1, "1秒"),
        (59_499, "59秒"),
        (59_500, "1分钟"),
        (89_000, "1分钟"),
        (3_540_000, "59分钟"),
        (3_570_000, "1小时"),
        (7_200_000, "2小时"),
    ],
)
def test_time_in_chinese_is_rounded_to_its_unit(took_ms: int, text: str) -> None:
    assert run_report._spoken(took_ms, "zh") == text
