"""Seals: they open with their key, at their place, unchanged, and not otherwise."""

from __future__ import annotations

import pytest

from server.services.seeds.seals import NONCE_BYTES, Seals, SeedsSealed

OLD, NEW = {"old": bytes(32)}, {"new": bytes(range(32))}
SECRET, NONCE = b"s" * 32, b"n" * NONCE_BYTES
SEALED = Seals(OLD).seal(SECRET, 7, 3, NONCE)


def test_unseal_returns_the_secret_and_the_seal_hides_it() -> None:
    assert Seals(OLD | NEW).unseal("old", SEALED, 7, 3) == SECRET
    assert SECRET not in SEALED


def test_last_key_seals() -> None:
    assert Seals(OLD | NEW).key_id == "new"
    assert Seals(NEW).unseal("new", Seals(OLD | NEW).seal(SECRET, 7, 3, NONCE), 7, 3) == SECRET


@pytest.mark.parametrize(("user_id", "number"), [(8, 3), (7, 4)])
def test_seal_that_was_moved_to_another_place_does_not_open(user_id: int, number: int) -> None:
    with pytest.raises(SeedsSealed, match="was changed"):
        Seals(OLD).unseal("old", SEALED, user_id, number)


def test_seal_that_was_changed_does_not_open() -> None:
    with pytest.raises(SeedsSealed, match="was changed"):
        Seals(OLD).unseal("old", SEALED[:-1] + bytes([SEALED[-1] ^ 1]), 7, 3)


def test_seal_of_a_key_that_is_not_here_names_it() -> None:
    assert "old" not in Seals(NEW)
    with pytest.raises(SeedsSealed, match="key old, which is not in the key file"):
        Seals(NEW).unseal("old", SEALED, 7, 3)
