"""How calls to a bank, its replies and its notices are signed, and what makes a signature right. Pure.

Signed is `method, path, time, nonce, body`, joined by line feeds. A reply has the nonce of its call, so it fits no
other one. A notice has a nonce of its own; that it is accepted once is up to the service of notices.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from server.config import BankSection
from server.core.key_pairs import IsSigned, Sign, checker, signer
from server.core.signed_requests import TIMESTAMP, WINDOW_S, SignedHeaders
from server.gateways.port import Unproven

SERIAL_HEADER: Final = "Bank-Serial"
TIME_HEADER: Final = "Bank-Time"
BANK_NONCE_HEADER: Final = "Bank-Nonce"
BANK_SIGNATURE_HEADER: Final = "Bank-Signature"
BANK_NONCE: Final = re.compile(r"[0-9a-f]{32}")


class BankKeys(NamedTuple):
    """By serial: our private keys, of which the last one signs, and the bank's public keys, which all verify."""

    own: Mapping[str, Sign]
    bank: Mapping[str, IsSigned]


class SignedPart(NamedTuple):
    """What a signature is about. `path`: as it is called."""

    method: str
    path: str
    body: bytes


def keys_of(section: BankSection) -> BankKeys:
    """The keys of the config. Raises BadKey, which the config has ruled out."""
    return BankKeys(
        {serial: signer(text) for serial, text in section.keys.items()},
        {serial: checker(text) for serial, text in section.bank_keys.items()},
    )


def text_of(part: SignedPart, time_s: int, nonce: str) -> bytes:
    """The bytes that are signed."""
    return f"{part.method}\n{part.path}\n{time_s}\n{nonce}\n".encode() + part.body


def signed_headers(keys: BankKeys, part: SignedPart, time_s: int, nonce: str) -> dict[str, str]:
    """The headers of a call."""
    serial = list(keys.own)[-1]
    signature = base64.b64encode(keys.own[serial](text_of(part, time_s, nonce))).decode()
    return {
        SERIAL_HEADER: serial,
        TIME_HEADER: str(time_s),
        BANK_NONCE_HEADER: nonce,
        BANK_SIGNATURE_HEADER: signature,
    }


def verify_reply(
    keys: BankKeys, headers: Mapping[str, str], part: SignedPart, nonce: str, now_s: float
) -> SignedHeaders:
    """Raise Unproven unless the bank has signed a reply to the call with this nonce, now."""
    claim = verify_signed(keys, headers, part, now_s)
    if claim.nonce != nonce:
        raise Unproven("the reply is for another call")
    return claim


def verify_signed(keys: BankKeys, headers: Mapping[str, str], part: SignedPart, now_s: float) -> SignedHeaders:
    """Raise Unproven unless the bank has signed this, now. Whether its nonce is new is not asked here."""
    serial, stamp = headers.get(SERIAL_HEADER, ""), headers.get(TIME_HEADER, "")
    nonce, text = headers.get(BANK_NONCE_HEADER, ""), headers.get(BANK_SIGNATURE_HEADER, "")
    try:
        signature = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        signature = b""
    if not (signature and TIMESTAMP.fullmatch(stamp) and BANK_NONCE.fullmatch(nonce)):
        raise Unproven("not signed")
    is_signed = keys.bank.get(serial)
    if is_signed is None:
        raise Unproven("signed with an unknown key")
    if abs(now_s - int(stamp)) > WINDOW_S:
        raise Unproven(f"signed at a time that is more than {WINDOW_S} seconds from that of the server")
    if not is_signed(text_of(part, int(stamp), nonce), signature):
        raise Unproven("the signature does not fit")
    return SignedHeaders(serial, int(stamp), nonce, text)
