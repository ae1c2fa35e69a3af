"""The SDK against a server that does as each test says: loses replies, breaks connections, leaves gaps."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from client_sim import errors
from client_sim.client import Client
from client_sim.pushes import Reloaded
from protocol import codes, messages, tokens
from protocol.connection import ServerConnection, Sizes, Timing, refused
from tests.conftest import PATIENCE_S

ME, GROUP, PACKET = 7, 2**60, 2**61
TOKEN = str(tokens.mint(ME, 2_000_000_000, "k1", bytes(32)))
SENT = messages.PacketSent(0, PACKET, 888, bytes(32), 99)

Answer = Callable[["Session", Any], None]


class Server:
    """Answers by the table that a test fills in; keeps what was asked, over all connections."""

    def __init__(self) -> None:
        self.answers: dict[type[messages.Message], Answer] = {}
        self.asked: list[Any] = []
        self.sessions: list[Session] = []
        self.places: list[messages.Place] = []
        self.url = ""

    def asked_for(self, kind: type[messages.Message]) -> list[Any]:
        return [request for request in self.asked if type(request) is kind]


class Session(asyncio.Protocol):
    """One connection to the server."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.reads = 0
        server.sessions.append(self)

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        hello = messages.Hello(0, 1, bytes(16), "postgres", 25_000, 8_000, 0, {})
        self.connection = ServerConnection(hello, 0.0, Timing(), Sizes())
        self.flush()

    def data_received(self, data: bytes) -> None:
        self.reads += 1
        for request in self.connection.receive_data(data, 0.0):
            if isinstance(request, messages.Login):
                self.login(request)
            else:
                self._server.asked.append(request)
                self._server.answers[type(request)](self, request)
        self.flush()

    def login(self, request: messages.Login) -> None:
        if messages.Login in self._server.answers:
            self._server.answers[messages.Login](self, request)
        else:
            self.connection.admit(0.0, 1.0)
            self.connection.send(messages.Welcome(request.seq, ME, 0, self._server.places))

    def push(self, message: messages.Message) -> None:
        self.connection.send(message)
        self.flush()

    def flush(self) -> None:
        self.transport.write(self.connection.data_to_send())
        if self.connection.closing is not None:
            self.transport.close()


def replies(reply: messages.Message) -> Answer:
    def answer(session: Session, request: messages.Message) -> None:
        reply.seq = request.seq
        session.connection.send(reply)

    return answer


def refuses(refusal: codes.Refusal, retry_after_ms: int = 1) -> Answer:
    return lambda session, request: session.connection.send(
        refused(request.seq, refusal, retry_after_ms=retry_after_ms)
    )


def breaks(session: Session, request: messages.Message) -> None:
    session.transport.abort()


def ignores(session: Session, request: messages.Message) -> None:
    pass


def closes(code: codes.Close) -> Answer:
    return lambda session, request: session.connection.close(code)


def in_turn(*answers: Answer) -> Answer:
    """The first answer to the first request, and so on; the last one to all that follow."""
    left = list(answers)

    def answer(session: Session, request: messages.Message) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(session, request)

    return answer


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.get_running_loop().create_server(lambda: Session(server), "127.0.0.1", 0)
    server.url = f"tcp://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    yield server
    listener.close()
    for session in server.sessions:
        session.transport.abort()
    await listener.wait_closed()


@asynccontextmanager
async def connected(server: Server, **options: Any) -> AsyncIterator[Client]:
    async with asyncio.timeout(PATIENCE_S), Client(server.url, TOKEN, **options) as client:
        yield client


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it never held")


# --- money moves once -----------------------------------------------------------------------------------------


async def test_a_send_whose_reply_is_lost_goes_out_again_with_the_same_key(server: Server) -> None:
    server.answers[messages.SendPacket] = in_turn(breaks, breaks, replies(SENT))
    async with connected(server) as client:
        assert (await client.send_packet("lucky", GROUP, 888, 8)).packet_id == PACKET
        assert client.reconnects == 2
    assert len({request.key for request in server.asked}) == 1


@pytest.mark.parametrize("unknown", [ignores, refuses(codes.Refusal.STORE_UNAVAILABLE)], ids=["timeout", "store"])
async def test_the_app_trying_again_is_the_same_send(server: Server, unknown: Answer) -> None:
    server.answers[messages.SendPacket] = in_turn(unknown, replies(SENT))
    async with connected(server, timeout_s=0.1) as client:
        with pytest.raises((errors.TimedOut, errors.StoreUnavailable)) as caught:
            await client.send_packet("lucky", GROUP, 888, 8)
        assert caught.value.temporary
        await client.send_packet("lucky", GROUP, 888, 8)
        await client.send_packet("lucky", GROUP, 888, 8)
    first, again, another = (request.key for request in server.asked)
    assert first == again != another


async def test_a_send_that_was_refused_for_good_leaves_no_key_behind(server: Server) -> None:
    server.answers[messages.SendPacket] = in_turn(refuses(codes.Refusal.NOT_ENOUGH_MONEY), replies(SENT))
    async with connected(server) as client:
        with pytest.raises(errors.NotEnoughMoney):
            await client.send_packet("lucky", GROUP, 888, 8)
        await client.send_packet("lucky", GROUP, 888, 8)
    assert len({request.key for request in server.asked}) == 2


async def test_a_cancelled_send_may_have_moved_money(server: Server) -> None:
    server.answers[messages.SendPacket] = in_turn(ignores, replies(SENT))
    async with connected(server) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.send_packet("lucky", GROUP, 888, 8), 0.05)
        await client.send_packet("lucky", GROUP, 888, 8)
    assert len({request.key for request in server.asked}) == 1


async def test_the_key_of_the_app_is_used_as_it_is(server: Server) -> None:
    server.answers[messages.TopUp] = replies(messages.ToppedUp(0, ME, 500))
    async with connected(server) as client:
        assert await client.top_up(ME, 500, key="order 17") == 500
    assert server.asked[0].key == "order 17"


# --- opening --------------------------------------------------------------------------------------------------


async def test_open_grabs_first_and_waits_while_it_is_busy(server: Server) -> None:
    server.answers[messages.Grab] = in_turn(
        replies(messages.Grabbed(0, PACKET, "busy", retry_after_ms=1)),
        refuses(codes.Refusal.RATE_LIMITED),
        replies(messages.Grabbed(0, PACKET, "ticket", ticket=5)),
    )
    server.answers[messages.Open] = in_turn(
        refuses(codes.Refusal.NO_TICKET, 0), replies(messages.Opened(0, PACKET, "won", 88, 2, 4))
    )
    async with connected(server) as client:
        opened = await client.open(PACKET)
    assert (opened.answer, opened.amount_fen, opened.index) == ("won", 88, 2)
    assert [type(request).__name__ for request in server.asked] == ["Grab", "Grab", "Grab", "Open", "Grab", "Open"]


@pytest.mark.parametrize("answer", ["claimed", "gone", "expired", "not_allowed"])
async def test_a_grab_that_is_final_needs_no_open(server: Server, answer: str) -> None:
    server.answers[messages.Grab] = replies(messages.Grabbed(0, PACKET, answer, amount_fen=3, index=1))
    async with connected(server) as client:
        opened = await client.open(PACKET)
    assert (opened.answer, opened.amount_fen, opened.index) == (answer, 3, 1)


async def test_patience_ends(server: Server) -> None:
    server.answers[messages.Grab] = replies(messages.Grabbed(0, PACKET, "busy", retry_after_ms=5))
    async with connected(server) as client:
        with pytest.raises(errors.Busy) as caught:
            await client.open(PACKET, patience_s=0.1)
    assert caught.value.temporary
    assert caught.value.retry_after_ms == 5


# --- losing the connection ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call", [lambda c: c.say(GROUP, "hi"), lambda c: c.create_group("us")], ids=["say", "create"]
)
async def test_what_must_not_be_repeated_is_not(server: Server, call: Callable[[Client], Any]) -> None:
    server.answers[messages.Say] = server.answers[messages.CreateGroup] = breaks
    async with connected(server) as client:
        with pytest.raises(errors.ConnectionLost):
            await call(client)
    assert len(server.asked) == 1


async def test_what_is_asked_without_a_connection_waits_for_one(server: Server) -> None:
    server.answers[messages.Say] = replies(messages.Said(0, GROUP, 3))
    async with connected(server) as client:
        client.drop()
        await until(lambda: not client.is_connected)
        assert await client.say(GROUP, "hi") == 3


async def test_a_goodbye_that_says_so_is_the_end(server: Server) -> None:
    server.answers[messages.GetBalance] = closes(codes.Close.TOKEN_EXPIRED)
    async with connected(server) as client:
        with pytest.raises(errors.ConnectionRefusedForGood) as caught:
            await client.balance()
        assert (caught.value.code, caught.value.name) == (3504, "token_expired")
        with pytest.raises(errors.ConnectionRefusedForGood):
            await client.balance()
        with pytest.raises(errors.ConnectionRefusedForGood):
            await anext(client.pushes())
    assert len(server.sessions) == 1


async def test_any_other_goodbye_is_not(server: Server) -> None:
    server.answers[messages.GetBalance] = in_turn(
        closes(codes.Close.SHUTTING_DOWN), replies(messages.Balance(0, 500))
    )
    async with connected(server) as client:
        assert await client.balance() == 500


async def test_a_login_that_is_refused_raises_at_once(server: Server) -> None:
    server.answers[messages.Login] = closes(codes.Close.LOGIN_REFUSED)
    with pytest.raises(errors.ConnectionRefusedForGood):
        await Client(server.url, TOKEN).connect()


async def test_a_login_that_fails_for_now_is_tried_again(server: Server) -> None:
    server.answers[messages.Login] = closes(codes.Close.TOO_MANY_CONNECTIONS)
    asyncio.get_running_loop().call_later(0.1, server.answers.clear)
    async with connected(server) as client:
        assert client.is_connected
    assert len(server.sessions) > 1


async def test_a_server_that_is_not_there() -> None:
    with pytest.raises(errors.ConnectionLost):
        await Client("tcp://127.0.0.1:1", TOKEN).connect(patience_s=0.05)


async def test_closing_ends_requests_and_pushes(server: Server) -> None:
    server.answers[messages.GetBalance] = ignores
    async with connected(server) as client:
        waiting = asyncio.create_task(client.balance())
        await asyncio.sleep(0.05)
    with pytest.raises(errors.ClientClosed):
        await waiting
    assert [push async for push in client.pushes()] == []


# --- pushes ---------------------------------------------------------------------------------------------------


def post(number: int) -> messages.TextPosted:
    return messages.TextPosted(0, GROUP, number, 1, 0, "")


def page(last_message: int, *numbers: int) -> messages.CaughtUp:
    return messages.CaughtUp(0, GROUP, last_message, False, [post(number) for number in numbers])


async def heard(client: Client, count: int) -> list[int]:
    return [(await anext(client.pushes())).message for _ in range(count)]  # type: ignore[union-attr]


async def test_a_gap_is_filled_before_the_next_post(server: Server) -> None:
    server.places = [messages.Place(GROUP, "us", 1, 4)]
    server.answers[messages.CatchUp] = in_turn(replies(page(9, 6, 7)), replies(page(9, 8, 9)))
    async with connected(server) as client:
        for number in (5, 8, 9):
            server.sessions[0].push(post(number))
        assert await heard(client, 5) == [5, 6, 7, 8, 9]
        assert client.positions[GROUP] == 9
    assert [request.after for request in server.asked] == [5, 7]


async def test_a_post_that_is_pushed_twice_is_heard_once_and_fetches_nothing(server: Server) -> None:
    server.places = [messages.Place(GROUP, "us", 1, 4)]
    async with connected(server) as client:
        for number in (5, 5, 6, 5, 6, 7):
            server.sessions[0].push(post(number))
        assert await heard(client, 3) == [5, 6, 7]
    assert server.asked_for(messages.CatchUp) == []


async def test_what_was_missed_while_away_comes_by_itself(server: Server) -> None:
    server.places = [messages.Place(GROUP, "us", 1, 4)]
    server.answers[messages.CatchUp] = replies(page(6, 5, 6))
    async with connected(server) as client:
        server.places = [messages.Place(GROUP, "us", 1, 6)]
        client.drop()
        assert await heard(client, 2) == [5, 6]


async def test_an_app_goes_on_from_the_positions_it_saved(server: Server) -> None:
    server.places = [messages.Place(GROUP, "us", 1, 6)]
    server.answers[messages.CatchUp] = replies(page(6, 5, 6))
    async with connected(server, positions={GROUP: 4}) as client:
        assert await heard(client, 2) == [5, 6]


async def test_too_much_missed_is_one_reloaded(server: Server) -> None:
    server.places = [messages.Place(GROUP, "us", 1, 9000)]
    server.answers[messages.CatchUp] = replies(messages.CaughtUp(0, GROUP, 9000, True, []))
    async with connected(server, positions={GROUP: 4}) as client:
        assert await anext(client.pushes()) == Reloaded(GROUP, 9000)
        assert await client.catch_up(GROUP, 4) == Reloaded(GROUP, 9000)


async def test_catching_up_goes_on_after_a_temporary_refusal(server: Server) -> None:
    server.places = [messages.Place(GROUP, "us", 1, 5)]
    server.answers[messages.CatchUp] = in_turn(refuses(codes.Refusal.RATE_LIMITED), breaks, replies(page(5, 5)))
    async with connected(server, positions={GROUP: 4}) as client:
        assert await heard(client, 1) == [5]


async def test_a_stream_that_is_no_longer_ours_is_given_up(server: Server) -> None:
    server.places = [messages.Place(GROUP, "us", 1, 5)]
    server.answers[messages.CatchUp] = refuses(codes.Refusal.NOT_A_MEMBER)
    async with connected(server, positions={GROUP: 4}) as client:
        await until(lambda: GROUP not in client.positions)
    assert len(server.asked) == 1


async def test_an_app_that_does_not_read_loses_the_oldest(server: Server) -> None:
    server.places = [messages.Place(GROUP, "us", 1, 0)]
    server.answers[messages.GetBalance] = replies(messages.Balance(0, 0))
    async with connected(server, pushes_max=10) as client:
        for number in range(1, 31):
            server.sessions[0].push(post(number))
        await client.balance()
        assert client.pushes_dropped == 20
        assert await heard(client, 10) == list(range(21, 31))


async def test_all_pages_of_a_stream(server: Server) -> None:
    server.answers[messages.CatchUp] = in_turn(replies(page(3, 1, 2)), replies(page(3, 3)))
    async with connected(server) as client:
        posts = await client.catch_up(GROUP, 0)
    assert isinstance(posts, list)
    assert [one.message for one in posts] == [1, 2, 3]


# --- on the wire ----------------------------------------------------------------------------------------------


async def test_requests_of_one_iteration_leave_in_one_write(server: Server) -> None:
    server.answers[messages.GetBalance] = replies(messages.Balance(0, 0))
    async with connected(server) as client:
        before = server.sessions[0].reads
        await asyncio.gather(*(client.balance() for _ in range(50)))
        assert server.sessions[0].reads == before + 1


async def test_garbage_from_the_server_is_the_end(server: Server) -> None:
    server.answers[messages.GetBalance] = lambda session, _: session.transport.write(b"\x00\x00\x00\x01\x93")
    async with connected(server) as client:
        with pytest.raises(errors.ConnectionRefusedForGood, match="from the server"):
            await client.balance()


@pytest.mark.parametrize("url", ["127.0.0.1:7788", "http://127.0.0.1:7788", "tcp://127.0.0.1", "tcp://:7788"])
def test_a_malformed_url_is_named(url: str) -> None:
    with pytest.raises(ValueError, match="tcp://host:port"):
        Client(url, TOKEN)


def test_a_malformed_token_is_named() -> None:
    with pytest.raises(ValueError, match="a token reads"):
        Client("tcp://127.0.0.1:7788", "7.x.y")


# --- refusals -------------------------------------------------------------------------------------------------


def test_every_class_of_refusal_stands_for_its_code() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.Refusal)]
    for kind in kinds:
        if kind is not errors.Refusal:
            assert type(errors.refusal_of(refused(1, kind.CODE))) is kind


@pytest.mark.parametrize("code", codes.Refusal)
def test_every_refusal_keeps_what_the_table_says(code: codes.Refusal) -> None:
    error = errors.refusal_of(refused(1, code, "why"))
    row = codes.REFUSALS[code]
    assert (error.code, error.name, error.detail) == (code, code.name.lower(), "why")
    assert (error.temporary, error.retry_after_ms) == (row.temporary, row.retry_after_ms)
