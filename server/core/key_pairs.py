"""Signatures with a private key that are checked with its public key: ed25519, or RSA with SHA-256. Pure.

Keys are hex text. One of 64 digits is an ed25519 key; a longer one is an RSA key in DER (the private one PKCS #8,
the public one SubjectPublicKeyInfo). `cryptography` is imported with the first key: most servers have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

Sign: TypeAlias = Callable[[bytes], bytes]
IsSigned: TypeAlias = Callable[[bytes, bytes], bool]  # the text, the signature

ED25519_DIGITS: Final = 64
RSA_BITS_MIN: Final = 2048


class BadKey(ValueError):
    """The text is no key of these kinds; the message says what it must be."""


def signer(private: str) -> Sign:
    """What signs with a private key. Raises BadKey."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    if len(private) == ED25519_DIGITS:
        return Ed25519PrivateKey.from_private_bytes(_bytes(private)).sign
    try:
        key = serialization.load_der_private_key(_bytes(private), None)
    except (TypeError, ValueError):
        raise BadKey("a private key is 64 hex digits (ed25519), or RSA in PKCS #8 DER as hex") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < RSA_BITS_MIN:
        raise BadKey(f"a private key in DER is one of RSA with {RSA_BITS_MIN} bits or more")
    return lambda text: key.sign(text, padding.PKCS1v15(), hashes.SHA256())


def checker(public: str) -> IsSigned:
    """What checks signatures with a public key. Raises BadKey."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    check: Callable[[bytes, bytes], None]  # the signature, the text
    if len(public) == ED25519_DIGITS:
        check = Ed25519PublicKey.from_public_bytes(_bytes(public)).verify
    else:
        try:
            key = serialization.load_der_public_key(_bytes(public))
        except (TypeError, ValueError):
            raise BadKey("a public key is 64 hex digits (ed25519), or RSA as SubjectPublicKeyInfo DER") from None
        if not isinstance(key, RSAPublicKey) or key.key_size < RSA_BITS_MIN:
            raise BadKey(f"a public key in DER is one of RSA with {RSA_BITS_MIN} bits or more")
        rsa = key
        check = lambda signature, text: rsa.verify(  # noqa: E731
            signature, text, padding.PKCS1v15(), hashes.SHA256()
        )

    def is_signed(text: bytes, signature: bytes) -> bool:
        try:
            check(signature, text)
        except InvalidSignature:
            return False
        return True

    return is_signed


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise BadKey("a key is hex text") from None
