"""User ids that are derived from names."""

from __future__ import annotations

import pytest

from client_sim.sdk.names import user_id_of


@pytest.mark.parametrize(
    ("name", "user_id"),
    [
        ("1001", 1001),
        ("9007199254740991", 2**53 - 1),
        ("小梅", 1_630_904_968_458),  # the documented derivation, computed by hand once: it must never change
        (" 小梅\t", 1_630_904_968_458),
        ("é", user_id_of("e\u0301")),  # both ways to write it
    ],
)
def test_user_id_of_digits_is_the_number_and_of_a_name_is_derived(name: str, user_id: int) -> None:
    assert user_id_of(name) == user_id


def test_derived_ids_differ_from_typed_ids_and_from_each_other() -> None:
    derived = {user_id_of(f"person {number}") for number in range(1000)}
    assert len(derived) == 1000
    assert all(2**40 <= user_id < 2**41 for user_id in derived)


@pytest.mark.parametrize("name", ["", "  ", "0", "9007199254740992", "1" * 100])
def test_user_id_of_an_empty_name_or_a_number_out_of_range_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"name is empty|user id is in"):
        user_id_of(name)
