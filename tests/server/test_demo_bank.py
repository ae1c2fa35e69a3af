"""The books of the demo's bank against those of the server: what does not agree is named."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from client_sim.bank.desk import BankDesk
from client_sim.bank.faults import fault_of_card
from client_sim.sdk.client import Client
from client_sim.sim.words import words
from server.cli.shared.demo_bank import (
    JournalLine,
    OurLine,
    card_hint,
    cards_for_people,
    differences,
    may_have_bank,
)
from server.cli.shared.demo_web import SEATS
from server.config import Config, load
from tests.server.demos import demo_of, page_of, websocket_in
from tests.server.test_cli import Serving, process

OURS = [
    OurLine("1", "charge", 300, "succeeded", True),
    OurLine("2", "payout", 100, "succeeded", False),
    OurLine("3", "charge", 50, "failed", True),
    OurLine("4", "charge", 60, "failed", False),  # never sent
]
THEIRS = [
    JournalLine("1", "charge", 300, "succeeded", 300, 1, "reply_lost"),
    JournalLine("2", "payout", 100, "succeeded", 100, 1, "none"),
    JournalLine("3", "charge", 50, "failed", 0, 0, "none"),
]


def test_books_that_agree_have_no_differences() -> None:
    assert differences(OURS, THEIRS) == []


Fault = Callable[[list[OurLine], list[JournalLine]], None]
FAULTS: dict[str, tuple[Fault, str]] = {
    "only ours": (lambda ours, theirs: theirs.remove(THEIRS[0]), "payment 1: hongbao has"),
    "only theirs": (lambda ours, theirs: ours.remove(OURS[1]), "payment 2: only the bank has it"),
    "amount": (lambda ours, theirs: theirs.insert(0, theirs.pop(0)._replace(fen=301)), "payment 1: hongbao has"),
    "state": (lambda ours, theirs: theirs.append(theirs.pop()._replace(result="succeeded")), "payment 3: hongbao"),
    "posted twice": (
        lambda ours, theirs: theirs.insert(0, theirs.pop(0)._replace(postings=2)),
        "posted it 2 times",
    ),
    "posted though failed": (lambda ours, theirs: theirs.append(theirs.pop()._replace(postings=1)), "it 1 times"),
}


@pytest.mark.parametrize(("fault", "named"), FAULTS.values(), ids=FAULTS)
def test_each_difference_is_named(fault: Fault, named: str) -> None:
    ours, theirs = list(OURS), list(THEIRS)
    fault(ours, theirs)
    (found,) = differences(ours, theirs)
    assert named in found


@pytest.mark.parametrize(
    ("settings", "may"),
    [
        ({}, True),
        ({"money.unit": "积分/points", "money.symbol": "", "money.decimals": "0"}, False),
        ({"manual.enabled": "true"}, False),
    ],
    ids=["yuan", "points", "by hand"],
)
def test_demo_has_a_bank_for_money_alone(settings: dict[str, str], may: bool, tmp_path: Path) -> None:
    config: Config = load(None, settings, {})
    assert may_have_bank(config, tmp_path) is may


NOW_S = 1_796_072_977.6


def test_cards_for_people_are_those_of_the_bank_without_a_fault_and_others_a_second_later() -> None:
    cards = cards_for_people(3, NOW_S)
    assert cards == ["6212990000989312", "6212990000989320", "6212990000989338"]
    assert [fault_of_card(one) for one in cards] == ["none"] * 3
    assert not set(cards) & set(cards_for_people(3, NOW_S + 1))


def test_hint_about_cards_is_in_both_languages_and_the_config_takes_it() -> None:
    environment = card_hint(["6212990000989312", "6212990000989320"], "http://127.0.0.1:43567")
    assert load(None, {}, environment).web.card_hint == (
        "演示卡号 {card}，姓名、手机号随意；短信验证码见运行演示的电脑上的 "
        "http://127.0.0.1:43567/admin | Demo card {card}, any name and phone; the SMS code is shown at "
        "http://127.0.0.1:43567/admin on the computer of the demo | 6212990000989312 6212990000989320"
    )


def test_hint_for_as_many_phones_as_there_are_seats_is_taken_by_the_config() -> None:
    environment = card_hint(cards_for_people(SEATS, NOW_S), "http://127.0.0.1:43567")
    assert load(None, {}, environment).web.card_hint.rpartition(" | ")[2].count(" ") == SEATS - 1


@pytest.mark.parametrize("language", ["zh", "en"])
def test_lines_about_bank_and_cards_fit_a_terminal_of_80_columns(language: str) -> None:
    cards = cards_for_people(3, NOW_S)
    said = [
        words(language, "demo_bank", url="http://127.0.0.1:43567"),
        words(language, "demo_card", card=cards[0]),
        words(language, "demo_cards"),
    ]
    assert [cell_len(one) for one in said if cell_len(one) > 80] == []


@pytest.mark.long
async def test_card_that_the_demo_prints_is_bound_in_the_app_by_the_code_of_the_page_that_it_names(
    data: Path,
) -> None:
    async with demo_of(data, "--users", "12", "--groups", "1", "--seconds", "8") as demo:
        origin, fragment = await demo.link()
        bank, card, *_ = demo.told.splitlines()[1:]
        url = re.fullmatch(r"a simulated bank, no real money: (http://\S+)/admin \(during the demo\)", bank)
        number = re.fullmatch(r"its card (\d{16}), any name and phone; that page shows the SMS code", card)
        assert url is not None
        assert number is not None
        page = await page_of(origin)
        hint = words("en", "cards_hint", card="{card}", url=url[1])
        content = rf"[^\"|]+ \| {re.escape(hint)} \| {number[1]}"
        assert re.search(rf'<meta name="hongbao-card-hint" content="{content}">', page)
        desk = BankDesk(url[1])
        async with Client(websocket_in(page), fragment["token"]) as person:
            offered = await person.bind_card(number[1], "Ann", "13800001234")
            code = await desk.code("13800001234")
            bound = await person.confirm_card(offered.challenge_id, code, "135791")
        await desk.close()
        assert bound.last4 == number[1][-4:]
        assert await demo.end() == 0, demo.told
    assert "audit: ok (" in demo.told


@pytest.mark.long
def test_demo_on_a_server_without_the_app_says_so_and_goes_on(data: Path) -> None:
    serving = Serving(data)
    shown = process("demo", "--data", data, "--users", 12, "--groups", 1, "--seconds", 2, "--lang", "en")
    assert serving.end(signal.SIGTERM) == 0
    assert shown.code == 0, shown.stdout + shown.stderr
    assert "the server ran already, without the app for browsers: stop it first\n" in shown.stdout
    assert "audit: ok (" in shown.stdout
