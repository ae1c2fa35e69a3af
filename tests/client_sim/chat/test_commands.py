"""The parser of typed lines."""

from __future__ import annotations

from typing import Any

import pytest

from client_sim.chat.actions import ACTIONS
from client_sim.chat.commands import FORM, FORMS, VERBS, BadCommand, parse
from client_sim.sdk.money import YUAN

UNDERSTOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("大家好 /send 1", "say", {"text": "大家好 /send 1"}),
    ("//slash", "say", {"text": "/slash"}),
    ("/send 8.88 5 恭喜发财 大吉", "send", {"amount_fen": 888, "shares": 5, "greeting": "恭喜发财 大吉"}),
    ("  /send   8   5  ", "send", {"amount_fen": 800, "shares": 5, "greeting": ""}),
    ("/send", *FORM),
    ("/equal 1.00 5", "equal", {"amount_fen": 100, "shares": 5, "greeting": ""}),
    ("/to 阿强 5.20 爱你", "to", {"user": "阿强", "amount_fen": 520, "greeting": "爱你"}),
    ("/to 1001 5.20", "to", {"user": "1001", "amount_fen": 520, "greeting": ""}),
    ("/tap", "tap", {"packet_id": 0}),
    ("/open 250586317551828992", "open", {"packet_id": 250586317551828992}),
    ("/result 7", "result", {"packet_id": 7}),
    (
        "/fission 阿明 8.88 3 hi all",
        "fission",
        {"user": "阿明", "amount_fen": 888, "shares": 3, "greeting": "hi all"},
    ),
    ("/pass-on", "pass-on", {"packet_id": 0, "group": ""}),
    ("/pass-on 7 the family", "pass-on", {"packet_id": 7, "group": "the family"}),
    ("/open-link hbl_x", "open-link", {"link": "hbl_x"}),
    ("/open-link", "open-link", {"link": ""}),
    ("/again", "again", {"group": ""}),
    ("/again the other group", "again", {"group": "the other group"}),
    ("/records", "records", {"direction": "received", "year": 0}),
    ("/records sent 2025", "records", {"direction": "sent", "year": 2025}),
    ("/statement", "statement", {}),
    ("/wallet", "wallet", {}),
    ("/bind", "bind", {"number": "", "phone": "", "holder": ""}),
    ("/bind 62-2 138 王 小明", "bind", {"number": "62-2", "phone": "138", "holder": "王 小明"}),
    ("/code", "code", {"code": "", "password": "", "again": ""}),
    ("/code 123456 246810", "code", {"code": "123456", "password": "246810", "again": ""}),
    ("/pay", "pay", {"way": "", "password": ""}),
    ("/pay 1 246810", "pay", {"way": "1", "password": "246810"}),
    ("/topup 50", "topup", {"amount_fen": 5_000}),
    ("/topup", *FORMS["topup"]),
    ("/withdraw ", *FORMS["withdraw"]),
    ("/transfer 阿强 5.20 谢谢 你", "transfer", {"user": "阿强", "amount_fen": 520, "text": "谢谢 你"}),
    ("/new 一家 人", "new", {"name": "一家 人"}),
    ("/join abcd-efgh-ijkl-2345", "join", {"invite": "ABCDEFGHIJKL2345"}),
    ("/invite", "invite", {"renew": ""}),
    ("/invite new", "invite", {"renew": "new"}),
    ("/chat 老 王", "chat", {"user": "老 王"}),
    ("/kick 老 王", "kick", {"user": "老 王"}),
    ("/name 小 梅", "name", {"name": "小 梅"}),
    ("/lang zh", "lang", {"language": "zh"}),
    ("/wait packet", "wait", {"what": "packet", "seconds": 10.0}),
    ("/wait packet 2.5", "wait", {"what": "packet", "seconds": 2.5}),
    ("/quit", "quit", {}),
]
NOT_UNDERSTOOD = [
    ("/nix", "unknown_command", "nix", ""),
    ("/ send", "unknown_command", "", ""),
    ("/send 8.88", "missing", "send", "shares"),
    ("/send x 5", "not_understood", "send", "x"),
    ("/send 8.88 five", "not_understood", "send", "five"),
    ("/send 8.88 -5", "not_understood", "send", "-5"),
    ("/send 8.88 ٥", "not_understood", "send", "٥"),
    ("/to 阿强", "missing", "to", "amount_fen"),
    ("/new", "missing", "new", "name"),
    ("/join", "missing", "join", "invite"),
    ("/join 42", "not_understood", "join", "42"),
    ("/join " + "A" * 17, "not_understood", "join", "A" * 17),
    ("/join " + "Ａ" * 16, "not_understood", "join", "Ａ" * 16),
    ("/invite old", "not_understood", "invite", "old"),
    ("/records given", "not_understood", "records", "given"),
    ("/lang fr", "not_understood", "lang", "fr"),
    ("/quit now", "not_understood", "quit", "now"),
    ("/topup x", "not_understood", "topup", "x"),
    ("/transfer 阿强", "missing", "transfer", "amount_fen"),
    ("/unbind", "missing", "unbind", "card"),
    ("/code 123456 246810 246810 9", "not_understood", "code", "…"),  # a word of it may be a secret
    ("/pay 1 246810 now", "not_understood", "pay", "…"),
    ("/wait packet nan", "not_understood", "wait", "nan"),
    ("/wait packet 1e9", "not_understood", "wait", "1e9"),
]


@pytest.mark.parametrize(("line", "verb", "values"), UNDERSTOOD, ids=[row[0] for row in UNDERSTOOD])
def test_parse_of_a_valid_line_gives_verb_and_values(line: str, verb: str, values: dict[str, Any]) -> None:
    assert parse(line, YUAN) == (verb, values)


@pytest.mark.parametrize(("line", "key", "verb", "text"), NOT_UNDERSTOOD, ids=[row[0] for row in NOT_UNDERSTOOD])
def test_parse_of_an_invalid_line_names_the_reason(line: str, key: str, verb: str, text: str) -> None:
    with pytest.raises(BadCommand) as bad:
        parse(line, YUAN)
    assert (bad.value.key, bad.value.verb, bad.value.text) == (key, verb, text)


@pytest.mark.parametrize("line", ["", "   ", "\n", "\t"])
def test_parse_of_an_empty_line_is_none(line: str) -> None:
    assert parse(line, YUAN) is None


def test_actions_has_every_verb() -> None:
    assert set(ACTIONS) == {*VERBS, "say", "form", "money_form"}


def test_secret_words_are_hidden_in_the_repr_of_a_command() -> None:
    command = parse("/bind 6212990000000018 13800001234 王小明", YUAN)
    assert "6212" not in repr(command)
    assert "138" not in repr(command)
    assert "小明" not in repr(command)
