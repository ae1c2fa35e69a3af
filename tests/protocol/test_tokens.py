"""Tokens: made by a backend, proved by a client; their secret part is never sent."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import messages
from protocol.tokens import NONCE_BYTES, BadToken, Token, claim_text, mint, parse, prove

WIRE = json.loads((Path(__file__).parents[1] / "vectors" / "wire.json").read_text())
VECTOR, VECTOR_2 = WIRE["login"], WIRE["login_2"]
KEY, NONCE = bytes.fromhex(VECTOR["key"]), bytes.fromhex(VECTOR["nonce"])
steady = settings(deadline=None, derandomize=True, database=None, print_blob=True)


def test_the_vector_follows_from_the_documented_rule() -> None:
    """With the standard library alone, as an independent implementation would."""
    claim = f"{VECTOR['user_id']}.{VECTOR['expires_at_s']}.{VECTOR['key_id']}"
    mac = hmac.new(KEY, claim.encode(), hashlib.sha256)
    proof = hmac.new(mac.digest(), NONCE, hashlib.sha256)
    assert VECTOR["claim"] == claim
    assert VECTOR["mac"] == mac.hexdigest()
    assert VECTOR["token"] == f"{claim}.{mac.hexdigest()}"
    assert VECTOR["proof"] == proof.hexdigest()


def test_the_vector_of_version_2_follows_from_the_documented_rule() -> None:
    claim = f"{VECTOR_2['user_id']}.{VECTOR_2['issued_at_s']}.{VECTOR_2['expires_at_s']}.{VECTOR_2['key_id']}"
    mac = hmac.new(KEY, claim.encode(), hashlib.sha256)
    assert (VECTOR_2["key"], VECTOR_2["nonce"], VECTOR_2["claim"]) == (VECTOR["key"], VECTOR["nonce"], claim)
    assert VECTOR_2["token"] == f"{claim}.{mac.hexdigest()}"
    assert VECTOR_2["proof"] == hmac.new(mac.digest(), NONCE, hashlib.sha256).hexdigest()


def test_our_code_computes_the_vector_of_version_2() -> None:
    parts = (VECTOR_2["user_id"], VECTOR_2["expires_at_s"], VECTOR_2["key_id"], KEY, VECTOR_2["issued_at_s"])
    token = mint(*parts)
    assert str(token) == VECTOR_2["token"]
    assert parse(VECTOR_2["token"]) == token
    assert token.proof(NONCE).hex() == VECTOR_2["proof"]
    assert token.login(NONCE).issued_at_s == VECTOR_2["issued_at_s"]


def test_our_code_computes_the_vector() -> None:
    token = mint(VECTOR["user_id"], VECTOR["expires_at_s"], VECTOR["key_id"], KEY)
    assert str(token) == VECTOR["token"]
    assert claim_text(*token[:3]) == VECTOR["claim"]
    assert parse(VECTOR["token"]) == token
    assert token.proof(NONCE).hex() == prove(token.mac, NONCE).hex() == VECTOR["proof"]


def test_a_login_does_not_carry_the_secret_part() -> None:
    token = parse(VECTOR["token"])
    login = messages.encode(messages.Login(1, *token[:3], token.proof(NONCE)))
    assert token.mac not in login
    assert token.mac.hex().encode() not in login


def test_proof_differs_for_every_nonce() -> None:
    token = parse(VECTOR["token"])
    assert len({token.proof(bytes([i]) * NONCE_BYTES) for i in range(10)}) == 10


@steady
@given(
    user_id=st.integers(0, messages.USER_ID_MAX),
    issued_at_s=st.integers(0, 2**40),
    expires_at_s=st.integers(0, 2**40),
    key_id=st.text("abcdefghij-_0123456789", min_size=1, max_size=16),
    key=st.binary(min_size=1, max_size=64),
)
def test_minted_token_can_be_parsed(
    user_id: int, issued_at_s: int, expires_at_s: int, key_id: str, key: bytes
) -> None:
    token = mint(user_id, expires_at_s, key_id, key, issued_at_s)
    assert parse(str(token)) == parse(f" {token}\n") == token


@pytest.mark.parametrize(
    "changed",
    [
        mint(10087, 1_900_000_000, "k1", KEY),
        mint(10086, 1_900_000_001, "k1", KEY),
        mint(10086, 1_900_000_000, "k2", KEY),
        mint(10086, 1_900_000_000, "k1", KEY[:-1]),
        mint(10086, 1_900_000_000, "k1", KEY, 1_800_000_001),
    ],
    ids=["user", "expiry", "key id", "key", "issued"],
)
def test_the_mac_covers_every_part(changed: Token) -> None:
    assert changed.mac.hex() not in (VECTOR["mac"], VECTOR_2["mac"])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "1.2.k",
        "1.2.3.4.k.ab",
        "1.0.2.k.ab",
        "1.-1.2.k.ab",
        "1.2.k.ab.cd",
        "one.2.k.ab",
        "1.2.k.xy",
        "1.2.k.abc",
        f"{2**53}.2.k.ab",
        f"1.{2**63}.k.ab",
        f"1.{2**63}.2.k.ab",
        "+1.2.k.ab",
        "01.2.k.ab",
        "1_0.2.k.ab",
        "\u0661.2.k.ab",
        "1.2.k.ab cd",
    ],
)
def test_invalid_token_is_refused_with_the_format(text: str) -> None:
    with pytest.raises(BadToken, match=r"a token must look like user\.issued\.expiry\.key-id\.mac"):
        parse(text)


@steady
@given(text=st.text() | st.text("0123456789.ab_- \n"))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        token = parse(text)
    except BadToken:
        return
    assert parse(str(token)) == token


@pytest.mark.parametrize("size", [1, 32, 63, 64, 65, 200])
def test_key_of_any_length_makes_the_mac_of_the_rule(size: int) -> None:
    key = bytes(range(size))
    assert mint(7, 1_900_000_000, "k1", key, 1_800_000_000).mac == hmac.digest(
        key, b"7.1800000000.1900000000.k1", "sha256"
    )


@pytest.mark.parametrize("readme", ["README.md", "README.zh.md"])
def test_tokens_of_the_recipe_in_the_readme_are_tokens(readme: str) -> None:
    text = (Path(__file__).parents[2] / readme).read_text()
    code = next(one for one in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def mint" in one)
    recipe: dict[str, Any] = {}
    exec(code, recipe)  # as its reader does
    token = parse(recipe["mint"](10086, "k1", KEY))
    assert token == mint(10086, token.expires_at_s, "k1", KEY, token.issued_at_s)
    assert token.expires_at_s - token.issued_at_s == 86_400
