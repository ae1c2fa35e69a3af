"""Requests on packets are values: a copy that is served again gets the same reply."""

from __future__ import annotations

from server.core.decisions import Answer, Decision
from server.services.packets.requests import GrabRequest, OpenRequest, PacketCall
from server.services.runtime.bus import LOCAL, Bus, Outcome
from tests.conftest import Server
from tests.services.conftest import MakeParty, until

GUEST = 2


def copy_of(request: PacketCall) -> PacketCall:
    """The request as it arrived, to be served once more."""
    about = request.packet_id, request.user_id, request.at_ms, request.session, request.seq
    return OpenRequest(*about, request.ticket) if isinstance(request, OpenRequest) else type(request)(*about)


def test_new_request_is_not_answered_and_has_no_claim() -> None:
    request = copy_of(OpenRequest(2**53, 7, 1_800_000_000_000, 3, 12, ticket=2**61))
    assert isinstance(request, OpenRequest)
    assert (request.ticket, request.answered, request.claim, request.failures) == (2**61, False, None, 0)


async def test_request_that_is_served_again_gets_the_same_claim(server: Server, party: MakeParty) -> None:
    room = await party(server, 1)
    packet_id = await room.lucky(100, 2)
    opens, bus = server.app.services.opens, server.app.services.opens._bus
    at_ms = server.app.services.live_packets._by_id[packet_id].packet.terms.created_at_ms  # type: ignore[union-attr]
    outcomes: list[Outcome] = []

    async def ask(request: PacketCall) -> Decision:
        request.session, request.seq = LOCAL, bus.expect(outcomes.append)
        copied = copy_of(request)
        opens.grab(copied) if isinstance(copied, GrabRequest) else opens.open(copied)  # type: ignore[arg-type]

        async def is_answered() -> bool:
            return bool(outcomes)

        await until(is_answered)
        outcome = outcomes.pop()
        assert isinstance(outcome, Decision)
        return outcome

    ticket = (await ask(GrabRequest(packet_id, GUEST, at_ms, LOCAL, 0))).ticket
    assert ticket is not None
    request = OpenRequest(packet_id, GUEST, at_ms, LOCAL, 0, ticket=ticket.number)
    won, again = await ask(request), await ask(request)
    assert (won.answer, again.answer, won.claim) == (Answer.WON, Answer.CLAIMED, again.claim)


def test_reply_is_delivered_once() -> None:
    bus, outcomes = Bus(), list[Outcome]()
    request = GrabRequest(1, 2, 3, LOCAL, bus.expect(outcomes.append))
    for _ in range(2):
        bus.reply(request, Decision(Answer.GONE))
    assert outcomes == [Decision(Answer.GONE)]


def test_reply_for_a_session_goes_to_the_deliverer() -> None:
    bus, delivered = Bus(), list[tuple[object, Outcome]]()
    bus.deliver_replies(lambda request, outcome: delivered.append((request, outcome)))
    request = GrabRequest(1, 2, 3, session=5, seq=6)
    bus.reply(request, Decision(Answer.GONE))
    assert delivered == [(request, Decision(Answer.GONE))]
