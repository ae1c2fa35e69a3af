"""Refusals of payments in words: each has its own in both languages, with what the user needs to go on."""

from __future__ import annotations

import re

import pytest

from client_sim.chat.refusals import in_words
from client_sim.chat.texts import TEXTS
from client_sim.sdk.errors import refusal_of
from client_sim.sdk.money import YUAN
from protocol import codes, messages

PAYMENTS = [
    "bad_card",
    "card_taken",
    "code_wrong",
    "code_spent",
    "code_too_soon",
    "password_wrong",
    "password_locked",
    "password_needed",
    "bank_declined",
    "bank_unknown",
    "bank_away",
    "limit",
    "needs_tls",
    "not_enough_money",
    "key_reused",
]


def words(name: str, detail: str = "", wait_ms: int = 0) -> tuple[str, str]:
    """What is said in Chinese and in English."""
    code = codes.Refusal[name.upper()]
    error = refusal_of(messages.Refused(0, code, name, False, wait_ms, detail))
    return in_words(error, "zh", YUAN), in_words(error, "en", YUAN)


@pytest.mark.parametrize("name", PAYMENTS)
def test_refusal_of_a_payment_has_words_of_its_own(name: str) -> None:
    assert f"refused_{name}" in TEXTS
    zh, en = words(name)
    assert re.search(r"[一-鿿]", zh)
    assert not re.search(r"[一-鿿{}]", en)


@pytest.mark.parametrize(
    ("name", "detail", "wait_ms", "zh", "en"),
    [
        ("code_wrong", "attempts left: 4", 0, "还可以试4次", "4 more tries"),
        ("password_wrong", "attempts left: 1", 0, "还可以试1次", "1 more tries"),
        ("code_too_soon", "", 12_001, "13秒", "13 s"),
        ("bank_declined", "insufficient funds", 0, "insufficient funds", "insufficient funds"),
        ("bank_declined", "a\x1b[2Jb", 0, "a·[2Jb", "a·[2Jb"),
        ("limit", "10 cards a user", 0, "最多绑定10张卡", "at most 10 cards"),
        ("limit", "20 codes in 24 hours", 0, "20个验证码", "20 codes"),
        ("limit", "at most 500000 fen a day, 30000 are paid", 0, "限额5,000.00元，已用300.00元", "¥5,000.00 a day"),
        ("limit", "one payment may be 1 to 500000 fen", 0, "每笔0.01元至5,000.00元", "¥0.01 to ¥5,000.00"),
        ("limit", "something new", 0, "超过限额", "over a limit"),
    ],
)
def test_refusal_says_what_is_left_and_how_much_is_allowed(
    name: str, detail: str, wait_ms: int, zh: str, en: str
) -> None:
    said = words(name, detail, wait_ms)
    assert zh in said[0]
    assert en in said[1]


def test_lock_of_passwords_says_until_when() -> None:
    assert all(re.search(r"\d\d:\d\d", one) for one in words("password_locked", "locked until: 1795933281920"))
