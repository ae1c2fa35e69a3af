"""The keys of the bank and its merchant, and signatures over `method, path, time, nonce, body`.

This is written from docs/bank.md alone and shares no code with the server: a mistake of one shows at the other.
"""

from __future__ import annotations

import base64
import os
import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

KEY_DIGITS: Final = 64  # of an ed25519 key; longer ones are RSA in DER


@cache  # reading an RSA key checks it, which takes a tenth of a second
def private_of(text: str) -> Ed25519PrivateKey | rsa.RSAPrivateKey:
    """The private key of a hex text. Raises ValueError."""
    if len(text) == KEY_DIGITS:
        return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(text))
    key = serialization.load_der_private_key(bytes.fromhex(text), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("a key in DER is one of RSA")
    return key


def public_text(private: str) -> str:
    """The public key to a private one; both as hex text."""
    key = private_of(private).public_key()
    if isinstance(key, Ed25519PublicKey):
        return key.public_bytes_raw().hex()
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, spki).hex()


def sign(private: str, text: bytes) -> str:
    """A signature in base64."""
    key = private_of(private)
    if isinstance(key, Ed25519PrivateKey):
        return base64.b64encode(key.sign(text)).decode()
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def is_signed(private: str, text: bytes, signature: str) -> bool:
    """Whether a signature was made with this private key."""
    key = private_of(private).public_key()
    try:
        raw = base64.b64decode(signature, validate=True)
        if isinstance(key, Ed25519PublicKey):
            key.verify(raw, text)
        else:
            key.verify(raw, text, padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature):
        return False
    return True


def text_to_sign(method: str, path: str, time_s: int, nonce: str, body: bytes) -> bytes:
    """The bytes of a request or a reply that are signed."""
    return f"{method}\n{path}\n{time_s}\n{nonce}\n".encode() + body


def new_key() -> str:
    """An ed25519 private key."""
    return os.urandom(KEY_DIGITS // 2).hex()


class BankKeyring:
    """Private keys of both sides by serial; the last of each signs, all are valid.

    A real bank would have only the public half of its merchant's keys. This one makes them for its merchant.
    """

    def __init__(self, bank: Mapping[str, str], merchant: Mapping[str, str]) -> None:
        self.bank, self.merchant = dict(bank), dict(merchant)

    def rotate(self) -> None:
        """A new key on each side; the one before stays valid, older ones do not."""
        for letter, keys in (("b", self.bank), ("m", self.merchant)):
            newest = max((int(serial[1:]) for serial in keys if serial[1:].isdigit()), default=0)
            for serial in list(keys)[:-1]:
                del keys[serial]
            keys[f"{letter}{newest + 1}"] = new_key()

    def signed_headers(self, method: str, path: str, time_s: int, nonce: str, body: bytes) -> dict[str, str]:
        """The headers of what the bank says."""
        serial, private = list(self.bank.items())[-1]
        return {
            "Bank-Serial": serial,
            "Bank-Time": str(time_s),
            "Bank-Nonce": nonce,
            "Bank-Signature": sign(private, text_to_sign(method, path, time_s, nonce, body)),
        }

    def is_of_merchant(self, method: str, path: str, headers: Mapping[str, str], body: bytes, now_s: float) -> bool:
        """Whether the merchant has signed this request, within 300 s. The nonce is not looked at."""
        private, stamp = self.merchant.get(headers.get("Bank-Serial", "")), headers.get("Bank-Time", "")
        if private is None or not (stamp.isascii() and stamp.isdigit()) or abs(now_s - int(stamp)) > 300:
            return False
        text = text_to_sign(method, path, int(stamp), headers.get("Bank-Nonce", ""), body)
        return is_signed(private, text, headers.get("Bank-Signature", ""))

    def config_lines(self, url: str, merchant: str) -> str:
        """The section that hongbao needs."""
        own = ", ".join(f'{serial} = "{text}"' for serial, text in self.merchant.items())
        theirs = ", ".join(f'{serial} = "{public_text(text)}"' for serial, text in self.bank.items())
        return (
            f'[bank]\nurl = "{url}"\nmerchant = "{merchant}"\nkeys = {{{own}}}\nbank_keys = {{{theirs}}}\n'
            'allow_private = ["127.0.0.0/8"]\n'
        )


def load_keyring(path: Path) -> BankKeyring:
    """The keys of a file, which is made if there is none. Raises OSError, ValueError."""
    if not path.exists():
        keys = BankKeyring({}, {})
        keys.rotate()
        save_keyring(path, keys)
    kept = tomllib.loads(path.read_text("utf-8"))
    return BankKeyring(kept["bank"], kept["merchant"])


def save_keyring(path: Path, keys: BankKeyring) -> None:
    """Write the keys, for their owner alone. Raises OSError."""
    lines = [
        f"[{name}]\n" + "".join(f'{serial} = "{text}"\n' for serial, text in each.items())
        for name, each in (("bank", keys.bank), ("merchant", keys.merchant))
    ]
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write("# Keys of a bank that is not real.\n" + "\n".join(lines))
