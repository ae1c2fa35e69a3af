"""docs/bank.md has the signatures, settings, paths, results, cards and faults that the code has."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from client_sim.bank.bills import COLUMNS
from client_sim.bank.books import BankBooks
from client_sim.bank.faults import CODES, HARMLESS, BillFault, card_number
from client_sim.bank.keys import BankKeyring, public_text, sign
from client_sim.bank.server import BankServer
from server.config.table import KEYS
from server.core.key_pairs import BadKey, checker, signer
from server.gateways.bank.replies import BANK_RESULTS
from server.gateways.bank.signing import SignedPart, text_of

DOCUMENT = (Path(__file__).parents[2] / "docs" / "bank.md").read_text("utf-8")
TIME_S, NONCE = 1795920000, "00112233445566778899aabbccddeeff"
OURS, BANK = bytes(range(32)).hex(), bytes(range(32, 64)).hex()


def test_document_has_the_signatures_that_both_sides_make() -> None:
    call, reply = [one.encode() for one in re.findall(r"```json\n(.*?)\n```", DOCUMENT)]
    (statement,) = re.findall(r"```\n(statement\n.*?)\n```", DOCUMENT, re.DOTALL)
    texts = {
        OURS: [text_of(SignedPart("POST", "/pay", call), TIME_S, NONCE)],
        BANK: [
            text_of(SignedPart("POST", "/pay", reply), TIME_S, NONCE),
            text_of(SignedPart("POST", "/bank/bank/notice", reply), TIME_S, NONCE),
            statement.encode(),
        ],
    }
    for private, signed in texts.items():
        assert public_text(private) in DOCUMENT
        for text in signed:
            signature = sign(private, text)
            assert signature in DOCUMENT
            assert base64.b64encode(signer(private)(text)).decode() == signature
            assert checker(public_text(private))(text, base64.b64decode(signature))
            assert not checker(public_text(private))(text + b" ", base64.b64decode(signature))


async def test_document_has_every_setting_path_result_card_and_fault() -> None:
    section = re.findall(r"```toml\n\[bank\]\n(.*?)```", DOCUMENT, re.DOTALL)[0]
    settings = {key.removeprefix("bank.") for key in KEYS if key.startswith("bank.")}
    assert settings == set(re.findall(r"^(\w+) = ", section, re.MULTILINE))
    server = BankServer(BankBooks(":memory:"), BankKeyring({"b1": BANK}, {"m1": OURS}))
    assert all(f"`{path}`" in DOCUMENT for path in server._calls)
    server.books.close()
    assert all(f"`{result}`" in DOCUMENT for result in BANK_RESULTS)
    cards = re.findall(r"^\| `(\d{16})` \| (\d\d) \| `(\w+)` \|", DOCUMENT, re.MULTILINE)
    assert cards == [(card_number(fault), code, fault.value) for code, fault in CODES.items()]
    assert {code for code, fault in CODES.items() if fault in HARMLESS} == {f"{one:02d}" for one in range(2, 15)}
    assert all(f"`{fault.value}`" in DOCUMENT for fault in list(BillFault)[1:])
    assert ",".join(COLUMNS) in DOCUMENT


@pytest.mark.parametrize("text", ["", "zz" * 32, "00" * 31, "3082" + "00" * 300])
def test_text_that_is_no_key_is_refused(text: str) -> None:
    for reads in (signer, checker):
        with pytest.raises(BadKey):
            reads(text)
