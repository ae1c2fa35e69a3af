"""The mirror: logs that are extended by their length, replaced, closed, read and forgotten."""

from __future__ import annotations

from storage.redis.mirror import CLOSING, HEAD, Extension, Log, Mirror, MirroredClaim, length, pack
from tests.contract.given import ANNA, BEN, CARLA, packet_id

FIRST, SECOND, THIRD = MirroredClaim(ANNA, 100, 7), MirroredClaim(BEN, 200, 8), MirroredClaim(CARLA, 300, 9)
NOTHING = Log(0, [], closed=False)
EMPTY = 0  # the length of a log that does not exist


def begin(number: int, *claims: MirroredClaim) -> Extension:
    """The first claims of a packet."""
    return Extension(packet_id(number), EMPTY, HEAD, pack(claims))


def extend(number: int, seen: int, *claims: MirroredClaim, image: bytes = b"") -> Extension:
    """The next claims of a packet."""
    return Extension(packet_id(number), seen, image, pack(claims))


async def log_of(mirror: Mirror, number: int) -> Log:
    """What it holds of one packet."""
    return (await mirror.read([packet_id(number)]))[packet_id(number)]


async def lasting(mirror: Mirror) -> list[int]:
    """All ids of logs that do not lapse."""
    return sorted([one async for ids in mirror.lasting_ids() for one in ids])


async def test_probe_of_a_running_store_leaves_no_log(mirror: Mirror) -> None:
    await mirror.probe()
    assert await lasting(mirror) == []


async def test_settings_of_the_stores_of_the_tests_have_no_fault(mirror: Mirror) -> None:
    for settings in await mirror.settings():
        assert (settings.fault, settings.not_shown, settings.is_cluster) == ("", "", mirror.tags > 0)


async def test_read_of_unknown_packets_returns_empty_logs(mirror: Mirror) -> None:
    assert await mirror.read([packet_id(1), packet_id(2)]) == {packet_id(1): NOTHING, packet_id(2): NOTHING}


async def test_append_of_the_first_claims_makes_a_log(mirror: Mirror) -> None:
    assert await mirror.append([begin(1, FIRST, SECOND)]) == set()
    assert await log_of(mirror, 1) == Log(41, [FIRST, SECOND], closed=False)


async def test_append_with_the_right_length_extends_the_log(mirror: Mirror) -> None:
    await mirror.append([begin(1, FIRST)])
    assert await mirror.append([extend(1, 21, SECOND)]) == set()
    assert await log_of(mirror, 1) == Log(41, [FIRST, SECOND], closed=False)


async def test_append_with_another_length_is_refused_and_changes_nothing(mirror: Mirror) -> None:
    await mirror.append([begin(1, FIRST)])
    for seen in (EMPTY, length(0), length(2)):
        assert await mirror.append([extend(1, seen, SECOND)]) == {packet_id(1)}
    assert await log_of(mirror, 1) == Log(21, [FIRST], closed=False)


async def test_append_to_a_log_that_is_missing_is_refused(mirror: Mirror) -> None:
    assert await mirror.append([extend(1, 21, SECOND)]) == {packet_id(1)}
    assert await log_of(mirror, 1) == NOTHING


async def test_append_of_several_packets_refuses_those_that_do_not_fit_alone(mirror: Mirror) -> None:
    await mirror.append([begin(2, FIRST)])
    extensions = [begin(1, FIRST), begin(2, SECOND), begin(3, FIRST), extend(4, 21, SECOND)]
    assert await mirror.append(extensions) == {packet_id(2), packet_id(4)}
    logs = await mirror.read([packet_id(number) for number in (1, 2, 3, 4)])
    assert [log.claims for log in logs.values()] == [[FIRST], [FIRST], [FIRST], []]


async def test_append_with_an_image_replaces_a_log_of_the_right_length(mirror: Mirror) -> None:
    await mirror.append([begin(1, THIRD)])
    image = HEAD + pack([FIRST, SECOND])
    assert await mirror.append([extend(1, 21, THIRD, image=image)]) == set()
    assert await log_of(mirror, 1) == Log(61, [FIRST, SECOND, THIRD], closed=False)


async def test_append_with_an_image_and_another_length_is_refused(mirror: Mirror) -> None:
    await mirror.append([begin(1, THIRD)])
    assert await mirror.append([extend(1, EMPTY, THIRD, image=HEAD + pack([FIRST]))]) == {packet_id(1)}
    assert await log_of(mirror, 1) == Log(21, [THIRD], closed=False)


async def test_append_with_an_image_alone_makes_a_log(mirror: Mirror) -> None:
    assert await mirror.append([extend(1, EMPTY, image=HEAD)]) == set()
    assert await log_of(mirror, 1) == Log(1, [], closed=False)


async def test_close_logs_returns_what_they_held_and_refuses_later_claims(mirror: Mirror) -> None:
    await mirror.append([begin(1, FIRST)])
    assert await mirror.close_logs([packet_id(1)]) == {packet_id(1): Log(21, [FIRST], closed=False)}
    assert await mirror.append([extend(1, 21, SECOND)]) == {packet_id(1)}
    assert await log_of(mirror, 1) == Log(22, [FIRST], closed=True)


async def test_close_logs_again_changes_nothing(mirror: Mirror) -> None:
    await mirror.append([begin(1, FIRST)])
    await mirror.close_logs([packet_id(1)])
    assert await mirror.close_logs([packet_id(1)]) == {packet_id(1): Log(22, [FIRST], closed=True)}
    assert await log_of(mirror, 1) == Log(22, [FIRST], closed=True)


async def test_close_logs_of_a_missing_log_makes_a_closed_one(mirror: Mirror) -> None:
    assert await mirror.close_logs([packet_id(1)]) == {packet_id(1): NOTHING}
    assert await log_of(mirror, 1) == Log(2, [], closed=True)
    assert await mirror.append([begin(1, FIRST)]) == {packet_id(1)}


async def test_close_logs_does_not_change_a_log_of_another_format(mirror: Mirror) -> None:
    await mirror.append([Extension(packet_id(1), EMPTY, b"?", b"foreign")])
    foreign = Log(8, [], closed=False, ours=False)
    assert await mirror.close_logs([packet_id(1)]) == {packet_id(1): foreign}
    assert await log_of(mirror, 1) == foreign


async def test_read_of_a_log_with_another_head_is_not_ours(mirror: Mirror) -> None:
    await mirror.append([Extension(packet_id(1), EMPTY, b"\x02", pack([FIRST]) + CLOSING)])
    assert await log_of(mirror, 1) == Log(22, [], closed=False, ours=False)


async def test_lasting_ids_of_an_empty_mirror_are_none(mirror: Mirror) -> None:
    assert await lasting(mirror) == []


async def test_lasting_ids_are_those_of_open_and_closed_logs(mirror: Mirror) -> None:
    await mirror.append([begin(2, FIRST), begin(1, FIRST)])
    await mirror.close_logs([packet_id(2), packet_id(3)])
    assert await lasting(mirror) == [packet_id(1), packet_id(2), packet_id(3)]


async def test_forget_keeps_the_log_for_a_while_without_listing_it(mirror: Mirror) -> None:
    await mirror.append([begin(1, FIRST), begin(2, FIRST)])
    await mirror.forget([packet_id(1), packet_id(9)])
    assert await log_of(mirror, 1) == Log(21, [FIRST], closed=False)
    assert await log_of(mirror, 9) == NOTHING
    assert await lasting(mirror) == [packet_id(2)]


async def test_append_and_close_logs_after_forget_leave_the_log_to_lapse(mirror: Mirror) -> None:
    await mirror.append([begin(1, FIRST)])
    await mirror.forget([packet_id(1)])
    assert await mirror.append([extend(1, 21, SECOND)]) == set()
    await mirror.close_logs([packet_id(1)])
    assert await log_of(mirror, 1) == Log(42, [FIRST, SECOND], closed=True)
    assert await lasting(mirror) == []


async def test_append_of_an_image_after_forget_makes_the_log_last(mirror: Mirror) -> None:
    await mirror.append([begin(1, FIRST)])
    await mirror.forget([packet_id(1)])
    await mirror.append([extend(1, 21, image=HEAD + pack([FIRST, SECOND]))])
    assert await lasting(mirror) == [packet_id(1)]
