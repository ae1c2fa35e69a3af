"""The signature of a request: pure, with literal times."""

from __future__ import annotations

import pytest

from server.core.signed_requests import (
    SIGNATURE_HEADER,
    SignedContent,
    Unauthorized,
    Verifier,
    sign,
)
from tests.http_api.client import signed

KEY, OTHER = b"k" * 32, b"o" * 32
NOW_S = 1_800_000_000
NONCE = "0123456789abcdef"
CONTENT = SignedContent("POST", "/v1/packets?x=1", "order 1", b'{"a":1}')


def headers(at_s: int = NOW_S, nonce: str = NONCE, content: SignedContent = CONTENT) -> dict[str, str]:
    return sign(KEY, "k1", at_s, nonce, content)


def accept(
    verifier: Verifier, sent: dict[str, str], content: SignedContent = CONTENT, now_s: float = NOW_S
) -> None:
    verifier.verify(verifier.claim(sent, now_s), content)


def test_signature_is_the_one_that_the_document_describes() -> None:
    described = signed(
        *("POST", "/v1/packets?x=1", b'{"a":1}'),
        idempotency_key="order 1",
        key_id="k1",
        key=KEY,
        at_s=NOW_S,
        nonce=NONCE,
    )
    assert headers() == described
    assert headers()[SIGNATURE_HEADER] == "4ed7509081f3e5a8e4db1ce7bf9360bb1a89844b9bcd781fc6c0a7272a8ce8d5"


@pytest.mark.parametrize(
    "tampered",
    [
        CONTENT._replace(method="PUT"),
        CONTENT._replace(target="/v1/packets?x=2"),
        CONTENT._replace(target="/v1/packets"),
        CONTENT._replace(idempotency_key="order 2"),
        CONTENT._replace(body=b'{"a":2}'),
        CONTENT._replace(body=b""),
    ],
)
def test_request_that_differs_from_the_signed_one_is_refused(tampered: SignedContent) -> None:
    with pytest.raises(Unauthorized, match="the signature does not fit"):
        accept(Verifier({"k1": KEY}), headers(), tampered)


def test_changed_timestamp_nonce_or_key_id_is_refused() -> None:
    verifier = Verifier({"k1": KEY, "k2": KEY})
    for change in (
        {"Hongbao-Timestamp": str(NOW_S + 1)},
        {"Hongbao-Nonce": NONCE[::-1]},
        {"Hongbao-Key": "k2"},
        {SIGNATURE_HEADER: "0" * 64},
    ):
        with pytest.raises(Unauthorized, match="the signature does not fit"):
            accept(verifier, headers() | change)


def test_all_keys_are_accepted_and_a_removed_one_is_not() -> None:
    for keys in ({"k0": OTHER, "k1": KEY}, {"k1": KEY, "k0": OTHER}):
        verifier = Verifier(keys)
        accept(verifier, headers())
    verifier.use({"k0": OTHER})
    with pytest.raises(Unauthorized, match="no key with the id 'k1'"):
        accept(verifier, headers(nonce="f" * 16))


@pytest.mark.parametrize("off_s", [-300, 0, 300])
def test_timestamp_within_five_minutes_is_accepted(off_s: int) -> None:
    accept(Verifier({"k1": KEY}), headers(NOW_S + off_s))


@pytest.mark.parametrize("off_s", [-301, 301, -360, 360])
def test_timestamp_further_off_than_five_minutes_is_refused(off_s: int) -> None:
    with pytest.raises(Unauthorized, match="more than 300 seconds"):
        accept(Verifier({"k1": KEY}), headers(NOW_S + off_s))


@pytest.mark.parametrize(
    ("change", "detail"),
    [
        ({"Hongbao-Nonce": ""}, "the header Hongbao-Nonce is missing: 16 to 64 letters, digits, - and _"),
        ({"Hongbao-Nonce": "abc"}, "Hongbao-Nonce must be 16 to 64 letters, digits, - and _, got 'abc'"),
        (
            {"Hongbao-Timestamp": "1795923421323"},
            "Hongbao-Timestamp must be seconds since 1970, got '1795923421323'",
        ),
        ({"Hongbao-Timestamp": "\udcff\n"}, "Hongbao-Timestamp must be seconds since 1970, got '\\udcff\\n'"),
        ({"Hongbao-Key": ""}, "the header Hongbao-Key is missing: the id of a key"),
        (
            {"Hongbao-Signature": "A" * 64},
            f"Hongbao-Signature must be 64 hex digits, 0 to 9 and a to f, got '{'A' * 32}'",
        ),
        (
            {"Hongbao-Timestamp": str(NOW_S - 600)},
            f"Hongbao-Timestamp {NOW_S - 600} is more than 300 seconds from the time of the server, {NOW_S}",
        ),
        (
            {"Hongbao-Signature": "0" * 64},
            "the signature does not fit the request and the key; it is HMAC-SHA256, with the bytes of the key, not "
            "its hex text, of these lines joined by line feeds: hongbao-http-1, Hongbao-Key, Hongbao-Timestamp, "
            "Hongbao-Nonce, the method, the path with its query as it is sent, Idempotency-Key (without one an "
            "empty line), the hex of the SHA-256 of the body",
        ),
    ],
)
def test_refusal_names_the_header_that_is_wrong(change: dict[str, str], detail: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        accept(Verifier({"k1": KEY}), headers() | change)
    assert str(refused.value) == detail


def test_request_without_any_header_is_told_both_ways() -> None:
    with pytest.raises(
        Unauthorized, match=r"neither the header Authorization: Bearer ID.HEX nor a signature: Hongbao-Key"
    ):
        Verifier({"k1": KEY}).claim({}, NOW_S)


def test_bearer_key_needs_a_private_connection_and_the_whole_key() -> None:
    verifier = Verifier({"k1": KEY})
    verifier.verify_bearer(f"Bearer k1.{KEY.hex()}", is_private=True)
    without_id, unknown = "a Bearer key is sent with its id: Authorization: Bearer ID.HEX", "is not one of the keys"
    for text, private, why in (
        (f"Bearer k1.{KEY.hex()}", False, "clear text"),
        (f"Bearer k1.{KEY.hex()[:-2]}", True, unknown),
        (f"Bearer k2.{KEY.hex()}", True, unknown),
        (f"Bearer {KEY.hex()}", True, without_id),
        ("Bearer k1.", True, without_id),
        ("Bearer ", True, without_id),
        ("Bearer k1.\udcff", True, unknown),
    ):
        with pytest.raises(Unauthorized, match=why):
            verifier.verify_bearer(text, is_private=private)
