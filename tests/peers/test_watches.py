"""Which connections follow packets of other servers, and which updates reach them."""

from __future__ import annotations

from protocol import messages
from server.peers.watches import Watch, Watches

PACKET, OTHER = 10**18, 10**18 + 1
OWNER, NEXT_OWNER = 11, 12
NEAR, FAR = 1, 2


def update(packet_id: int, opened: int) -> bytes:
    return messages.encode(messages.ResultUpdate(0, packet_id, opened, [], "so many"))


def test_update_of_a_former_owner_is_left_out() -> None:
    watches = Watches()
    watches.add(NEAR, PACKET, Watch(OWNER, "en", 1))
    watches.add(FAR, PACKET, Watch(NEXT_OWNER, "en", 1))
    assert watches.pushed(OWNER, [NEAR, FAR, 3], update(PACKET, 2)) == [NEAR]
    assert watches.pushed(NEXT_OWNER, [NEAR, FAR], update(PACKET, 3)) == [FAR]
    told = {number: watch.told for number, _, watch in watches.all()}
    assert told == {NEAR: 2, FAR: 3}
    assert watches.pushed(OWNER, [NEAR], update(OTHER, 2)) == []


def test_other_pushes_reach_every_connection() -> None:
    push = messages.encode(messages.RemovedFromGroup(0, 5))
    assert Watches().pushed(OWNER, [NEAR, FAR], push) == [NEAR, FAR]


def test_watch_of_a_lost_server_belongs_to_none_until_it_is_handed_over() -> None:
    watches = Watches()
    watches.add(NEAR, PACKET, Watch(OWNER, "en", 1))
    watches.add(NEAR, OTHER, Watch(NEXT_OWNER, "en", 4))
    watches.lost(OWNER)
    assert watches.pushed(OWNER, [NEAR], update(PACKET, 2)) == []
    watches.move(NEAR, PACKET, OWNER)
    assert watches.pushed(OWNER, [NEAR], update(PACKET, 2)) == [NEAR]
    assert watches.pushed(NEXT_OWNER, [NEAR], update(OTHER, 5)) == [NEAR]
