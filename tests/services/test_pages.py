"""Pages over the wire: what a tap and the result page show to each viewer, and that nothing is shown too early."""

from __future__ import annotations

import asyncio

import pytest

from bench.chaos.proxy import Proxy
from client_sim.sdk.client import Client
from client_sim.sdk.errors import NotAllowed, Overloaded, StoreUnavailable
from protocol.messages import OpenPageShown
from server.clock import Clock
from server.core import packet as rules
from server.services.packets.commit.path import UNRECORDED_MAX
from server.services.packets.grab_open import LOOKING
from server.services.packets.pages import LINES_MAX
from server.services.packets.requests import GrabRequest, OpenRequest
from server.services.runtime.bus import LOCAL
from storage.postgres.money.settlement import Credit, SettlementQueue
from tests.conftest import DAY_MS, Connect, Server, StartServer, Turn
from tests.services.conftest import MakeParty, Party, until

STRANGER = 900


def visible_fields(shown: OpenPageShown) -> tuple[str, str, str, str, str]:
    """The fields that a client shows; ticket, page and sender must be consistent."""
    assert (shown.ticket > 0) == (shown.lapses_at_ms > 0) == (shown.answer == "ticket") == (shown.view == "open")
    assert (shown.result is not None) == (shown.view == "result")
    assert (shown.sender_id, shown.sender_name) == ((1, "小林") if shown.view else (0, ""))
    return (shown.answer, shown.view, shown.line, shown.button, shown.link)


# --- a tap: every row of the table ----------------------------------------------------------------------------

TEXTS = {
    "zh": {
        "open": "拆",
        "gone": "手慢了,红包派完了",
        "list": "看看大家的手气",
        "expired": "该红包已超过24小时",
        "details": "查看领取详情",
    },
    "en": {
        "open": "Open",
        "gone": "Better luck next time: all gone",
        "list": "See how lucky everybody was",
        "expired": "This red packet is more than 24 hours old",
        "details": "See who opened it",
    },
}


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_tap_returns_page_and_ticket_in_one_round_trip(
    start_server: StartServer, party: MakeParty, connect: Connect, turn_clock: Turn, language: str
) -> None:
    room = await party(await start_server(refunds__interval_s=3600), 3)
    sender, (ann, ben, cai), text = room.sender, room.guests, TEXTS[language]
    stranger = await connect(room.server, STRANGER)
    await sender.set_name("小林")

    async def tap(client: Client, packet_id: int) -> tuple[str, str, str, str, str]:
        before = client.requests
        shown = await client.open_page(packet_id, language)
        assert client.requests == before + 1
        return visible_fields(shown)

    coin = ("ticket", "open", "", text["open"], "")
    result = ("claimed", "result", "", "", "")
    nothing = ("not_allowed", "", "", "", "")
    over = ("expired", "expired", text["expired"], "", "")
    lucky, equal = await room.lucky(300, 2), (await sender.send_packet("equal", room.group, 100, 2)).packet_id
    personal = (await sender.send_packet("personal", ann.user_id, 500)).packet_id
    kept = [(await sender.send_packet(kind, room.group, 200, 2)).packet_id for kind in ("lucky", "equal")]

    assert [await tap(client, lucky) for client in (ann, sender)] == [coin, (*coin[:4], text["details"])]
    assert await tap(ann, equal) == coin
    assert await tap(ann, personal) == coin
    assert await tap(sender, personal) == ("not_allowed", "result", "", "", "")
    assert [await tap(client, one) for client, one in ((ben, personal), (stranger, lucky), (ann, 2**60))] == [
        nothing
    ] * 3
    for packet_id in (lucky, equal):
        assert [(await client.open(packet_id)).answer for client in (ann, ben)] == ["won", "won"]
        assert await tap(ann, packet_id) == result
    assert await tap(cai, lucky) == ("gone", "gone", text["gone"], "", text["list"])
    assert await tap(cai, equal) == ("gone", "gone", text["gone"], "", "")
    assert await tap(sender, equal) == ("gone", "gone", text["gone"], "", text["details"])
    assert (await ann.open(personal)).answer == "won"
    assert [await tap(client, personal) for client in (ann, sender)] == [
        result,
        ("not_allowed", "result", "", "", ""),
    ]
    turn_clock(DAY_MS)
    assert [await tap(ann, packet_id) for packet_id in kept] == [over] * 2
    assert [await tap(sender, packet_id) for packet_id in kept] == [(*over[:4], text["details"])] * 2
    assert await tap(cai, lucky) == ("gone", "gone", text["gone"], "", text["list"])


async def test_ticket_of_an_open_page_opens_the_packet(server: Server, party: MakeParty) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(300, 2)
    page = await room.guests[0].open_page(packet_id)
    assert (
        await room.guests[0].open_page(packet_id)
    ).ticket == page.ticket  # a repeated request returns the same ticket
    opened = await room.guests[0].open_with(packet_id, page.ticket)
    assert (opened.answer, opened.index) == ("won", 0)
    shown = (await room.guests[0].open_page(packet_id, "en")).result
    assert shown is not None
    assert (shown.amount_fen, shown.amount) == (opened.amount_fen, f"{opened.amount_fen / 100:.2f} yuan")


async def test_tap_counts_as_a_grab(start_server: StartServer, party: MakeParty) -> None:
    room = await party(await start_server(limits__tickets_per_share=1), 3)
    packet_id = await room.lucky(300, 2)
    pages = [await guest.open_page(packet_id) for guest in room.guests]
    assert [page.answer for page in pages] == ["ticket", "ticket", "busy"]
    assert (pages[2].view, pages[2].sender_id, pages[2].retry_after_ms > 0) == ("", 0, True)
    assert room.server.app.dispatch.answers[rules.Answer.BUSY] == 1


async def test_page_in_an_unknown_language_is_english(server: Server, party: MakeParty) -> None:
    room = await party(server, 1)
    packet_id = await room.lucky(300, 1)
    for language in ("fr", "", "ZH", "zh\0", "x" * 1000):
        assert (await room.guests[0].open_page(packet_id, language)).button == "Open"


# --- the result page ------------------------------------------------------------------------------------------


async def test_result_page_shows_each_viewer_only_what_is_allowed(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 3)
    (ann, ben, _), sender = room.guests, room.sender
    packet_id = (await sender.send_packet("lucky", room.group, 1_000, 3, "新年好")).packet_id
    await ann.set_name("阿安")
    mine = await ann.open(packet_id)
    theirs = (await sender.result_page(packet_id)).page
    assert (theirs.packet_kind, theirs.state, theirs.greeting, theirs.opened, theirs.shares) == (
        "lucky",
        "open",
        "新年好",
        1,
        3,
    )
    assert theirs.summary == f"已领取1/3个,共{mine.amount_fen / 100:.2f}/10.00元"
    assert (theirs.button, theirs.link, theirs.amount_fen, theirs.best_index) == ("继续发送此红包", "", 0, -1)
    [line] = theirs.claims
    assert (line.index, line.user_id, line.name, line.amount_fen, line.when) == (
        0,
        ann.user_id,
        "阿安",
        mine.amount_fen,
        "刚刚",
    )
    own = (await ann.result_page(packet_id, "en")).page
    assert (own.summary, own.button, own.link) == ("1 of 3 opened", "", "See my red packets")
    assert own.note.startswith(("Arriving", "In your balance now"))  # settled or not
    for viewer in (ben, await connect(server, STRANGER)):  # a member without a claim must wait for the finish
        with pytest.raises(NotAllowed):
            await viewer.result_page(packet_id)
    await ben.open(packet_id)
    await sender.open(packet_id)
    end = (await room.guests[2].result_page(packet_id)).page
    assert (end.state, end.opened, end.best_mark, end.more) == ("finished", 3, "手气最佳", False)
    best = max(end.claims, key=lambda one: (one.amount_fen, -one.index))
    assert end.best_index == best.index
    assert (await sender.result_page(packet_id)).page.button == ""
    with pytest.raises(NotAllowed):
        await (await connect(server, STRANGER)).result_page(packet_id)
    with pytest.raises(NotAllowed):
        await ann.result_page(2**60)


async def test_equal_packet_lists_its_claims_only_to_the_sender(server: Server, party: MakeParty) -> None:
    room = await party(server, 2)
    packet_id = (await room.sender.send_packet("equal", room.group, 100, 2)).packet_id
    await room.guests[0].open(packet_id)
    theirs = (await room.guests[0].result_page(packet_id, subscribe=True)).page
    assert (theirs.shows_list, theirs.claims, theirs.opened, theirs.watched) == (False, [], 1, False)
    own = (await room.sender.result_page(packet_id, subscribe=True)).page
    assert (own.shows_list, len(own.claims), own.watched) == (True, 1, True)


async def test_personal_packet_lists_its_claim_only_to_the_sender(server: Server, party: MakeParty) -> None:
    room = await party(server, 1)
    [receiver] = room.guests
    packet_id = (await room.sender.send_packet("personal", receiver.user_id, 500)).packet_id
    assert (await room.sender.result_page(packet_id, subscribe=True)).page.watched is True
    await receiver.open(packet_id)
    pages = [(await client.result_page(packet_id)).page for client in (room.sender, receiver)]
    assert [[line.user_id for line in page.claims] for page in pages] == [[receiver.user_id], []]
    assert [page.shows_list for page in pages] == [True, False]


async def test_sender_who_left_the_group_gets_no_button_to_send_again(
    server: Server, party: MakeParty, connect: Connect
) -> None:
    room = await party(server, 1)
    [leaver] = room.guests
    await (await connect(server, 0)).top_up(leaver.user_id, 500)
    packet_id = (await leaver.send_packet("lucky", room.group, 300, 2)).packet_id
    personal = (await leaver.send_packet("personal", room.sender.user_id, 100)).packet_id
    assert (await leaver.result_page(packet_id, "en")).page.button == "Send this red packet again"
    other = await leaver.create_group("other")
    await leaver.send_again(packet_id, other)
    await leaver.leave_group(room.group)
    assert [(await leaver.result_page(one, "en")).page.button for one in (packet_id, personal)] == [
        "",
        "Send this red packet again",
    ]


async def test_share_is_arriving_until_it_is_credited(
    start_server: StartServer, party: MakeParty, monkeypatch: pytest.MonkeyPatch, postgres_proxy: tuple[Proxy, str]
) -> None:
    proxy, dsn = postgres_proxy
    go, settle = asyncio.Event(), SettlementQueue.settle

    async def wait(queue: SettlementQueue, most: int, now_ms: int) -> tuple[int, list[Credit]]:
        await go.wait()
        return await settle(queue, most, now_ms)

    monkeypatch.setattr(SettlementQueue, "settle", wait)
    room = await party(await start_server(stores__postgres=dsn), 2)
    packet_id = await room.lucky(300, 2)
    notes: dict[int, str] = {}

    async def note(guest: Client) -> str:
        return (await guest.result_page(packet_id, "en")).page.note

    async def credited() -> bool:
        notes[0] = await note(room.guests[0])
        return notes[0].startswith("In your balance now")

    for guest in room.guests:
        await guest.open(packet_id)
        assert await note(guest) == "Arriving in your balance"
    go.set()
    await until(credited)
    await proxy.cut()
    assert await note(room.guests[0]) == notes[0]  # known in memory
    assert await note(room.guests[1]) == "Arriving in your balance"  # not known in memory yet


async def test_result_page_of_500_claims_is_paged(server: Server, connect: Connect, party: MakeParty) -> None:
    room = await party(server, 0)
    app = room.server.app
    group = app.services.groups._groups[room.group]
    group.members.update(range(2, 501))
    packet_id = await room.lucky(5_000, 500)
    live = app.services.live_packets._by_id[packet_id]
    assert live.packet is not None
    answers, bus, now_ms = [], app.services.opens._bus, Clock().now_ms()
    for user_id in range(2, 501):
        seqs = bus.expect(lambda _: None), bus.expect(answers.append)
        app.services.opens.grab(GrabRequest(packet_id, user_id, now_ms, LOCAL, seqs[0]))
        ticket = live.packet.tickets[user_id].number
        app.services.opens.open(OpenRequest(packet_id, user_id, now_ms, LOCAL, seqs[1], ticket=ticket))

    async def all_won() -> bool:
        return len(answers) == 499

    await until(all_won)
    await room.sender.open(packet_id)
    seen, before, pages = [], 0, 0
    while True:
        page = (await room.sender.result_page(packet_id, "en", before)).page
        seen += page.claims
        pages += 1
        before = page.claims[-1].index
        if not page.more:
            break
    assert (pages, page.opened, {len(page.claims)}) == (5, 500, {LINES_MAX})
    assert [line.index for line in seen] == list(range(499, -1, -1))
    assert sum(line.amount_fen for line in seen) == 5_000
    for behind in (-(2**63), -1, 0, 500, 2**63 - 1):
        assert (await room.sender.result_page(packet_id, "en", behind)).page.claims[0].index == 499
    assert [line.index for line in (await room.sender.result_page(packet_id, "en", 2)).page.claims] == [1, 0]


# --- claims that are not durable yet are not shown --------------------------------------------------------------


async def hold_record(room: Party, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """From now on claims reach the record only when the returned event is set."""
    go, record = asyncio.Event(), room.server.app.services.commit._stores._packets.record

    async def wait(advances: list[object]) -> object:
        await go.wait()
        return await record(advances)  # type: ignore[arg-type]

    monkeypatch.setattr(room.server.app.services.commit._stores._packets, "record", wait)
    return go


async def test_claims_that_are_not_durable_are_not_shown(
    server: Server, party: MakeParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(1_000, 2)
    first = await room.guests[0].open(packet_id)
    go = await hold_record(room, monkeypatch)
    last = asyncio.ensure_future(room.guests[1].open(packet_id))
    live = server.app.services.live_packets._by_id[packet_id]

    async def decided() -> bool:
        return live.packet is not None and live.packet.finished

    await until(decided)
    for viewer in (room.sender, room.guests[0]):
        page = (await viewer.result_page(packet_id)).page
        assert (page.state, page.opened, page.best_index) == ("open", 1, -1)
        assert [line.user_id for line in page.claims] == [room.guests[0].user_id]
    assert page.summary == "领取1/2个"
    tapped = (await room.guests[0].open_page(packet_id)).result
    assert tapped is not None
    assert (tapped.state, tapped.opened, tapped.amount_fen) == ("open", 1, first.amount_fen)
    gone = asyncio.ensure_future(
        room.sender.open_page(packet_id)
    )  # `gone` depends on the claim in flight, so it waits
    await asyncio.sleep(0.05)
    assert not last.done()
    assert not gone.done()
    go.set()
    assert (await last).answer == "won"
    assert (await gone).view == "gone"
    assert (await room.sender.result_page(packet_id)).page.state == "finished"


async def test_refund_is_shown_when_it_is_recorded(
    start_server: StartServer, party: MakeParty, turn_clock: Turn, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = await party(await start_server(refunds__interval_s=3600), 2)
    packet_id = await room.lucky(1_000, 2)
    app = room.server.app
    turn_clock(DAY_MS + 1)
    assert app.services.live_packets.close_quiet([packet_id]) == [packet_id]  # as at the begin of the refund
    page = (await room.sender.result_page(packet_id, "en")).page
    assert page.state == "expired"
    assert "will go back" in page.ending
    assert await app.services.refunds.refund_once() == 1
    page = (await room.sender.result_page(packet_id, "en")).page
    assert page.state == "refunded"
    assert "went back" in page.ending
    del app.services.live_packets._by_id[packet_id]  # and after a reload
    assert (await room.sender.result_page(packet_id)).page.state == "refunded"


async def test_pages_of_packets_that_are_not_in_memory_are_shown(server: Server, party: MakeParty) -> None:
    room = await party(server, 2)
    packet_id = await room.lucky(1_000, 2)
    await room.guests[0].open(packet_id)
    for _ in range(2):
        server.app.services.live_packets._by_id.clear()
        assert (await room.guests[0].result_page(packet_id)).page.opened == 1
        server.app.services.live_packets._by_id.clear()
        assert (await room.guests[1].open_page(packet_id)).view == "open"


async def test_pages_are_refused_like_grabs(
    start_server: StartServer, party: MakeParty, postgres_proxy: tuple[Proxy, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 1)
    packet_id = await room.lucky(1_000, 1)
    app = room.server.app
    app.services.live_packets._by_id.clear()
    await proxy.cut()
    for ask in (room.guests[0].open_page, room.sender.result_page):
        with pytest.raises(StoreUnavailable):
            await ask(packet_id)
    with monkeypatch.context() as patch:  # not at the end of the server, which would wait for what is unrecorded
        patch.setattr(app.services.commit, "unrecorded", UNRECORDED_MAX)
        for ask in (room.guests[0].open_page, room.sender.result_page):
            with pytest.raises(Overloaded):
                await ask(packet_id)


async def test_names_that_cannot_be_read_are_empty(
    start_server: StartServer, party: MakeParty, postgres_proxy: tuple[Proxy, str]
) -> None:
    proxy, dsn = postgres_proxy
    room = await party(await start_server(stores__postgres=dsn), 1)
    packet_id = await room.lucky(1_000, 1)
    await proxy.cut()
    page = await room.guests[0].open_page(packet_id)
    assert (page.view, page.sender_name, page.ticket > 0) == ("open", "", True)


def test_number_that_stands_for_looking_is_never_a_ticket() -> None:
    assert LOOKING < 0 <= min(Clock().random_number() for _ in range(100))
