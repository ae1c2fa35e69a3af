"""Users: known, named, banned, with revoked tokens."""

from __future__ import annotations

import pytest

from storage.postgres.chat.users import AccessRow, NameTaken
from storage.stores import Stores
from tests.contract.given import ANNA, BEN, CARLA, SENDER, pay_in, withdrawal_of


async def test_ban_of_an_unknown_user_holds_and_is_lifted(both: Stores) -> None:
    assert await both.users.restricted([ANNA]) == []
    assert await both.users.ban(ANNA, 5) == AccessRow(ANNA, 2, is_banned=True, tokens_from_s=0)
    assert await both.users.restricted([BEN, ANNA]) == [AccessRow(ANNA, 2, is_banned=True, tokens_from_s=0)]
    assert await both.users.ban(ANNA, None) == AccessRow(ANNA, 3, is_banned=False, tokens_from_s=0)
    assert await both.users.restricted([ANNA]) == []


async def test_ban_again_changes_nothing(both: Stores) -> None:
    await both.users.know([ANNA])
    banned = AccessRow(ANNA, 2, is_banned=True, tokens_from_s=0)
    assert [await both.users.ban(ANNA, at_ms) for at_ms in (5, 6)] == [banned, banned]
    assert await both.users.ban(BEN, None) == AccessRow(BEN, 1, is_banned=False, tokens_from_s=0)


async def test_revoked_tokens_stay_revoked(both: Stores) -> None:
    assert await both.users.revoke_tokens(ANNA, 100) == AccessRow(ANNA, 2, is_banned=False, tokens_from_s=100)
    assert await both.users.revoke_tokens(ANNA, 90) == AccessRow(ANNA, 2, is_banned=False, tokens_from_s=100)
    await both.users.ban(ANNA, 5)
    assert await both.users.ban(ANNA, None) == AccessRow(ANNA, 4, is_banned=False, tokens_from_s=100)
    assert await both.users.restricted([ANNA]) == [AccessRow(ANNA, 4, is_banned=False, tokens_from_s=100)]


async def test_avatar_is_kept_until_another_one_is_put(both: Stores) -> None:
    await both.users.put({ANNA: "anna", BEN: ""}, {ANNA: "https://a.example"})
    await both.users.put({ANNA: "Anna"})
    assert await both.users.avatar_urls([ANNA, BEN, CARLA]) == {ANNA: "https://a.example"}
    await both.users.put({ANNA: "Anna"}, {ANNA: ""})
    assert await both.users.avatar_urls([ANNA]) == {}


async def test_know_keeps_what_is_recorded(both: Stores) -> None:
    await both.users.put({ANNA: "anna"})
    await both.users.ban(ANNA, 5)
    await both.users.know([ANNA, BEN])
    assert await both.users.names([ANNA, BEN]) == {ANNA: "anna"}
    assert (await both.users.ban(ANNA, 6)).version == 3
    assert (await both.users.ban(BEN, 6)).version == 2


async def test_unknown_users_are_those_that_were_never_made_known(both: Stores) -> None:
    await both.users.know([BEN])
    await both.users.ban(CARLA, 5)
    assert await both.users.unknown([CARLA, SENDER, BEN, ANNA]) == sorted([SENDER, ANNA])
    assert await both.users.unknown([]) == []


async def test_chosen_name_is_taken_for_other_users_however_it_is_written(both: Stores) -> None:
    await both.users.choose_name(ANNA, "Stra\u00dfe")
    for name in ("Stra\u00dfe", "STRASSE", "\uff33trasse", " strasse ", "s\u200dtrasse"):
        with pytest.raises(NameTaken):
            await both.users.choose_name(BEN, name)
    assert await both.users.names([ANNA, BEN]) == {ANNA: "Stra\u00dfe"}
    await both.users.choose_name(ANNA, "STRASSE")  # the same user may write it in another way
    assert await both.users.names([ANNA]) == {ANNA: "STRASSE"}


async def test_name_that_is_given_up_may_be_chosen_by_another_user(both: Stores) -> None:
    await both.users.choose_name(ANNA, "lin")
    await both.users.choose_name(ANNA, "")
    await both.users.choose_name(BEN, "lin")
    await both.users.choose_name(BEN, "")
    await both.users.choose_name(CARLA, "")  # an empty name is never taken
    assert await both.users.names([ANNA, BEN, CARLA]) == {}


async def test_name_that_the_backend_gives_need_not_be_unique_and_its_chooser_loses_it(both: Stores) -> None:
    await both.users.choose_name(ANNA, "Lin")
    assert await both.users.put({BEN: "lin", CARLA: "lin", SENDER: ""}) == [ANNA]
    assert await both.users.names([ANNA, BEN, CARLA, SENDER]) == {BEN: "lin", CARLA: "lin"}
    assert (await both.users.ban(ANNA, 5)).version == 4  # chosen, lost, banned: other servers are told of each
    assert await both.users.put({BEN: "lin", CARLA: "lin"}) == []


async def test_name_that_the_backend_gave_is_chosen_by_no_other_user_while_it_is_given(both: Stores) -> None:
    await both.users.put({BEN: "lin", CARLA: "wei", SENDER: "wei"})
    for name in ("lin", "LIN", "l\u200bin", "wei"):
        with pytest.raises(NameTaken):
            await both.users.choose_name(ANNA, name)
    assert await both.users.names([ANNA]) == {}
    await both.users.choose_name(CARLA, "wei")  # is called so
    await both.users.choose_name(BEN, "LIN")  # was given it alone
    with pytest.raises(NameTaken):
        await both.users.choose_name(ANNA, "lin")  # chosen now
    await both.users.choose_name(BEN, "ben")
    await both.users.choose_name(ANNA, "lin")
    await both.users.put({CARLA: "carla", SENDER: ""})
    await both.users.choose_name(ANNA, "wei")
    assert await both.users.names([ANNA, BEN, CARLA]) == {ANNA: "wei", BEN: "ben", CARLA: "carla"}


async def test_name_that_the_backend_replaces_may_be_chosen_by_another_user(both: Stores) -> None:
    await both.users.choose_name(ANNA, "lin")
    assert await both.users.put({ANNA: "anna"}) == []
    await both.users.choose_name(BEN, "lin")
    assert await both.users.names([ANNA, BEN]) == {ANNA: "anna", BEN: "lin"}


async def test_put_of_the_present_name_makes_it_one_that_the_backend_gave(both: Stores) -> None:
    await both.users.choose_name(ANNA, "lin")
    assert await both.users.put({ANNA: "lin"}) == []
    with pytest.raises(NameTaken):
        await both.users.choose_name(BEN, "lin")
    assert await both.users.put({BEN: "lin"}) == []
    assert await both.users.names([ANNA, BEN]) == {ANNA: "lin", BEN: "lin"}
    assert (await both.users.ban(ANNA, 5)).version == 3


async def test_user_whose_wallet_the_backend_fills_is_known(both: Stores) -> None:
    await pay_in(both, ANNA, 100)
    await both.wallets.move(withdrawal_of(ANNA, 50), ANNA, -50)
    assert (await both.users.ban(ANNA, None)).version == 1
