"""Passes: the vector, byte by byte, and texts that are no pass."""

from __future__ import annotations

import hashlib
import hmac
import json
from pathlib import Path

import pytest

from protocol import passes, tokens

VECTOR = json.loads((Path(__file__).parents[1] / "vectors" / "wire.json").read_text())["pass"]
VECTOR_2 = json.loads((Path(__file__).parents[1] / "vectors" / "wire.json").read_text())["pass_2"]
KEY = bytes.fromhex(VECTOR["key"])
CLAIM = VECTOR["group_id"], VECTOR["user_id"], VECTOR["expires_at_s"], VECTOR["key_id"]


def test_mac_of_the_vector_is_that_of_its_signed_text() -> None:
    assert hmac.new(KEY, VECTOR["signed_text"].encode(), hashlib.sha256).hexdigest() == VECTOR["mac"]


def test_mint_makes_the_pass_of_the_vector_and_parse_takes_it_apart() -> None:
    assert str(passes.mint(*CLAIM, KEY)) == VECTOR["pass"]
    assert passes.parse(f" {VECTOR['pass']}\n") == (*CLAIM, bytes.fromhex(VECTOR["mac"]), 0)


def test_pass_of_the_vector_with_a_time_of_issue_follows_from_the_documented_rule() -> None:
    issued_at_s = VECTOR_2["issued_at_s"]
    mac = hmac.new(KEY, VECTOR_2["signed_text"].encode(), hashlib.sha256).hexdigest()
    assert mac == VECTOR_2["mac"]
    assert VECTOR_2["signed_text"] == "hongbao-pass:{}.{}.{}.{}.{}".format(*CLAIM[:2], issued_at_s, *CLAIM[2:])
    assert str(passes.mint(*CLAIM, KEY, issued_at_s)) == VECTOR_2["pass"]
    assert passes.parse(VECTOR_2["pass"]) == (*CLAIM, bytes.fromhex(mac), issued_at_s)


@pytest.mark.parametrize(
    "text",
    [
        *["", "a", "1.2.3.k1", "1.2.3.k1.xy", "x.2.3.k1.00", "1.2.3.k1.00.00", "1.2.x.k1.00", "1.2.0.3.k1.00"],
        *[f"{2**63}.2.3.k1.00", f"1.{2**53}.3.k1.00", f"1.2.{2**63}.k1.00", f"1.2.{2**63}.3.k1.00", "0.2.3.k1.00"],
        *["+1.2.3.k1.00", "-1.2.3.k1.00", "01.2.3.k1.00", "1_0.2.3.k1.00", " 1. 2.3.k1.00", "\u0661.2.3.k1.00"],
        *["1.2.3.k1.0 0", "1.2.3.k1.00 00", "1.2.3.k1.", "1.0.3.k1.00"],
    ],
)
def test_text_of_another_form_is_no_pass(text: str) -> None:
    with pytest.raises(passes.BadPass):
        passes.parse(text)


def test_signature_of_a_token_is_none_of_a_pass() -> None:
    """The same numbers: a token of version 2 has as many parts as the claim of a pass."""
    group_id, user_id, expires_at_s, key_id = CLAIM
    token = tokens.mint(group_id, expires_at_s, key_id, KEY, issued_at_s=user_id)
    assert str(token).rpartition(".")[0] == VECTOR["pass"].rpartition(".")[0]
    assert token.mac != bytes.fromhex(VECTOR["mac"])
