"""The SDK against a fake server: each test says which replies it loses, which connections it breaks."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from client_sim.sdk import connection, errors, transport
from client_sim.sdk.client import Client
from client_sim.sdk.pushes import Reloaded
from client_sim.sdk.transport import parse_url
from protocol import codes, messages, tokens
from protocol.connection import ServerConnection, Sizes, Timing, refused
from tests.conftest import PATIENCE_S

ME, GROUP, PACKET = 7, 2**60, 2**61
TOKEN = str(tokens.mint(ME, 2_000_000_000, "k1", bytes(32)))
SENT = messages.PacketSent(0, PACKET, 888, bytes(32), 99)

Answer = Callable[["Session", Any], None]


class Server:
    """Answers from the table that a test fills in; records all requests of all connections."""

    def __init__(self) -> None:
        self.answers: dict[type[messages.Message], Answer] = {}
        self.asked: list[Any] = []
        self.sessions: list[Session] = []
        self.places: list[messages.StreamPosition] = []
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
    """The first answer to the first request, and so on; the last answer to all later requests."""
    left = list(answers)

    def answer(session: Session, request: messages.Message) -> None:
        (left.pop(0) if len(left) > 1 else left[0])(session, request)

    return answer


def wait_for_replies(client: Client, timeout_s: float) -> None:
    """From now on a request without a reply fails after this time."""
    pending = client._connection.pending
    pending._timeout_s = timeout_s
    if pending._timer is not None:  # of requests that have their replies
        pending._timer.cancel()
        pending._timer = None


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
    async with asyncio.timeout(PATIENCE_S):
        while not holds():  # noqa: ASYNC110  no event says so
            await asyncio.sleep(0.001)


# --- money moves once -----------------------------------------------------------------------------------------


async def test_send_with_a_lost_reply_is_repeated_with_the_same_key(server: Server) -> None:
    server.answers[messages.SendPacket] = in_turn(breaks, breaks, replies(SENT))
    async with connected(server) as client:
        assert (await client.send_packet("lucky", GROUP, 888, 8)).packet_id == PACKET
        assert client.reconnects == 2
    assert len({request.key for request in server.asked}) == 1


@pytest.mark.parametrize("unknown", [ignores, refuses(codes.Refusal.STORE_UNAVAILABLE)], ids=["timeout", "store"])
async def test_send_with_unknown_outcome_called_again_has_the_same_key(server: Server, unknown: Answer) -> None:
    server.answers[messages.SendPacket] = in_turn(unknown, replies(SENT))
    async with connected(server) as client:
        wait_for_replies(client, 0.05)
        with pytest.raises((errors.TimedOut, errors.StoreUnavailable)) as caught:
            await client.send_packet("lucky", GROUP, 888, 8)
        assert caught.value.temporary
        wait_for_replies(client, PATIENCE_S)
        await client.send_packet("lucky", GROUP, 888, 8)
        await client.send_packet("lucky", GROUP, 888, 8)
    first, again, another = (request.key for request in server.asked)
    assert first == again != another


async def test_send_that_is_refused_for_good_called_again_has_a_new_key(server: Server) -> None:
    server.answers[messages.SendPacket] = in_turn(refuses(codes.Refusal.NOT_ENOUGH_MONEY), replies(SENT))
    async with connected(server) as client:
        with pytest.raises(errors.NotEnoughMoney):
            await client.send_packet("lucky", GROUP, 888, 8)
        await client.send_packet("lucky", GROUP, 888, 8)
    assert len({request.key for request in server.asked}) == 2


async def test_request_that_cannot_be_written_does_not_break_the_next_login(server: Server) -> None:
    server.answers[messages.GetBalance] = replies(messages.Balance(0, 5))
    async with connected(server) as client:
        with pytest.raises(OverflowError):
            await client.names([2**70])
        client.drop()
        await until(lambda: not client.is_connected)
        with pytest.raises(OverflowError):
            await client.names([2**70])
        assert (await client.wallet()).balance_fen == 5
        assert client.reconnects == 1


@pytest.mark.parametrize("code", [codes.Refusal.PASSWORD_NEEDED, codes.Refusal.NEEDS_TLS, codes.Refusal.KEY_REUSED])
async def test_refusal_that_says_nothing_of_a_send_in_doubt_does_not_end_its_key(
    server: Server, code: codes.Refusal
) -> None:
    server.answers[messages.SendPacket] = in_turn(
        refuses(codes.Refusal.STORE_UNAVAILABLE), refuses(code), replies(SENT)
    )
    async with connected(server) as client:
        for _ in range(2):
            with pytest.raises(errors.Refusal):
                await client.send_packet("lucky", GROUP, 888, 8)
        await client.send_packet("lucky", GROUP, 888, 8)
    assert len({request.key for request in server.asked}) == 1


async def test_send_that_was_cancelled_called_again_has_the_same_key(server: Server) -> None:
    server.answers[messages.SendPacket] = in_turn(ignores, replies(SENT))
    async with connected(server) as client:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.send_packet("lucky", GROUP, 888, 8), 0.05)
        await client.send_packet("lucky", GROUP, 888, 8)
    assert len({request.key for request in server.asked}) == 1


async def test_top_up_with_a_key_of_the_app_sends_that_key(server: Server) -> None:
    server.answers[messages.TopUp] = replies(messages.ToppedUp(0, ME, 500))
    async with connected(server) as client:
        assert await client.top_up(ME, 500, key="order 17") == 500
    assert server.asked[0].key == "order 17"


@pytest.mark.parametrize("move", ["top_up", "withdraw", "send"])
async def test_empty_key_of_the_app_is_sent_empty_and_not_replaced_by_a_new_one(server: Server, move: str) -> None:
    server.answers |= dict.fromkeys(
        (messages.TopUp, messages.Withdraw, messages.SendPacket), refuses(codes.Refusal.BAD_KEY)
    )
    async with connected(server) as client:
        made = {
            "top_up": lambda: client.top_up(ME, 500, key=""),
            "withdraw": lambda: client.withdraw(ME, 500, key=""),
            "send": lambda: client.send_packet("lucky", GROUP, 888, 8, key=""),
        }[move]()
        with pytest.raises(errors.Refusal, match="bad_key"):
            await made
    assert [request.key for request in server.asked] == [""]


# --- opening --------------------------------------------------------------------------------------------------


async def test_open_while_busy_or_refused_for_now_retries_until_won(server: Server) -> None:
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
async def test_open_after_a_final_grab_sends_no_open(server: Server, answer: str) -> None:
    server.answers[messages.Grab] = replies(messages.Grabbed(0, PACKET, answer, amount_fen=3, index=1))
    async with connected(server) as client:
        opened = await client.open(PACKET)
    assert (opened.answer, opened.amount_fen, opened.index) == (answer, 3, 1)


async def test_open_while_busy_for_too_long_raises_busy(server: Server) -> None:
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
async def test_unrepeatable_request_on_a_lost_connection_fails_and_is_not_repeated(
    server: Server, call: Callable[[Client], Any]
) -> None:
    server.answers[messages.Say] = server.answers[messages.CreateGroup] = breaks
    async with connected(server) as client:
        with pytest.raises(errors.ConnectionLost):
            await call(client)
    assert len(server.asked) == 1


async def test_request_without_a_connection_is_sent_after_the_reconnect(server: Server) -> None:
    server.answers[messages.Say] = replies(messages.Said(0, GROUP, 3))
    async with connected(server) as client:
        client.drop()
        await until(lambda: not client.is_connected)
        assert await client.say(GROUP, "hi") == 3


async def test_goodbye_without_reconnect_fails_requests_and_pushes(server: Server) -> None:
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


async def test_goodbye_with_reconnect_is_followed_by_a_reconnect(server: Server) -> None:
    server.answers[messages.GetBalance] = in_turn(
        closes(codes.Close.SHUTTING_DOWN), replies(messages.Balance(0, 500))
    )
    async with connected(server) as client:
        assert await client.balance() == 500


async def test_push_in_the_bytes_of_a_welcome_finds_the_reconnect_counted(server: Server) -> None:
    def welcome_and_push(session: Session, request: messages.Login) -> None:
        session.connection.admit(0.0, 1.0)
        session.connection.send(messages.Welcome(request.seq, ME, 0, []))
        session.connection.send(messages.BalanceChanged(0, 500, 500, "top_up", len(server.sessions)))

    server.answers[messages.Login] = welcome_and_push
    async with connected(server) as client:
        for reconnects in (0, 1, 2):
            assert isinstance(await anext(client.pushes()), messages.BalanceChanged)
            assert client.reconnects == reconnects
            client.drop()


async def test_connection_that_is_lost_before_connect_returns_is_made_again_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The second connection: its welcome and its end are handled before the task that connects goes on."""
    made: list[str] = []

    async def connect(url: str, token: tokens.Token, handlers: transport.Handlers, *_: object) -> None:
        made.append(url)
        opened = transport.Transport(token, handlers)
        handlers.welcomed(opened, messages.Welcome(1, ME, 0, []))
        if len(made) == 2:
            handlers.lost(errors.ConnectionLost("at once"))

    monkeypatch.setattr(transport, "connect", connect)
    monkeypatch.setattr(connection, "BACKOFF_FIRST_S", 0.001)
    client = Client("tcp://127.0.0.1:1", TOKEN)
    await client.connect()
    client._connection._lost(errors.ConnectionLost("first"))
    while tasks := client._connection._tasks:
        await asyncio.gather(*tasks)
    assert (len(made), client.reconnects, client.is_connected) == (3, 2, True)


async def test_connect_with_a_refused_login_raises_at_once(server: Server) -> None:
    server.answers[messages.Login] = closes(codes.Close.LOGIN_REFUSED)
    with pytest.raises(errors.ConnectionRefusedForGood):
        await Client(server.url, TOKEN).connect()


async def test_connect_with_a_temporary_goodbye_retries(server: Server) -> None:
    def closes_once(session: Session, request: messages.Login) -> None:
        server.answers.clear()
        session.connection.close(codes.Close.TOO_MANY_CONNECTIONS)

    server.answers[messages.Login] = closes_once
    async with connected(server) as client:
        assert client.is_connected
    assert len(server.sessions) == 2


async def test_connect_without_a_server_raises_connection_lost() -> None:
    with pytest.raises(errors.ConnectionLost):
        await Client("tcp://127.0.0.1:1", TOKEN).connect(patience_s=0.05)


async def test_close_fails_requests_in_flight_and_ends_pushes(server: Server) -> None:
    server.answers[messages.GetBalance] = ignores
    async with connected(server) as client:
        waiting = asyncio.create_task(client.balance())
        await until(lambda: len(server.asked) == 1)
    with pytest.raises(errors.ClientClosed):
        await waiting
    assert [push async for push in client.pushes()] == []


# --- pushes ---------------------------------------------------------------------------------------------------


def post(number: int) -> messages.TextPosted:
    return messages.TextPosted(0, GROUP, number, 1, 0, "")


def page(last_message: int, *numbers: int) -> messages.CaughtUp:
    return messages.CaughtUp(0, GROUP, last_message, False, [post(number) for number in numbers])


async def next_numbers(client: Client, count: int) -> list[int]:
    return [(await anext(client.pushes())).message for _ in range(count)]  # type: ignore[union-attr]


async def test_push_after_a_gap_comes_after_the_missing_posts(server: Server) -> None:
    server.places = [messages.StreamPosition(GROUP, "us", 1, 4)]
    server.answers[messages.CatchUp] = in_turn(replies(page(9, 6, 7)), replies(page(9, 8, 9)))
    async with connected(server) as client:
        for number in (5, 8, 9):
            server.sessions[0].push(post(number))
        assert await next_numbers(client, 5) == [5, 6, 7, 8, 9]
        assert client.positions[GROUP] == 9
    assert [request.after for request in server.asked] == [5, 7]


async def test_push_that_is_repeated_is_handed_on_once_without_a_fetch(server: Server) -> None:
    server.places = [messages.StreamPosition(GROUP, "us", 1, 4)]
    async with connected(server) as client:
        for number in (5, 5, 6, 5, 6, 7):
            server.sessions[0].push(post(number))
        assert await next_numbers(client, 3) == [5, 6, 7]
    assert server.asked_for(messages.CatchUp) == []


async def test_pushes_missed_while_offline_are_fetched_after_the_reconnect(server: Server) -> None:
    server.places = [messages.StreamPosition(GROUP, "us", 1, 4)]
    server.answers[messages.CatchUp] = replies(page(6, 5, 6))
    async with connected(server) as client:
        server.places = [messages.StreamPosition(GROUP, "us", 1, 6)]
        client.drop()
        assert await next_numbers(client, 2) == [5, 6]


async def test_client_with_saved_positions_starts_with_the_missed_posts(server: Server) -> None:
    server.places = [messages.StreamPosition(GROUP, "us", 1, 6)]
    server.answers[messages.CatchUp] = replies(page(6, 5, 6))
    async with connected(server, positions={GROUP: 4}) as client:
        assert await next_numbers(client, 2) == [5, 6]


async def test_gap_larger_than_the_server_hands_out_is_one_reloaded(server: Server) -> None:
    server.places = [messages.StreamPosition(GROUP, "us", 1, 9000)]
    server.answers[messages.CatchUp] = replies(messages.CaughtUp(0, GROUP, 9000, True, []))
    async with connected(server, positions={GROUP: 4}) as client:
        assert await anext(client.pushes()) == Reloaded(GROUP, 9000)
        assert await client.catch_up(GROUP, 4) == Reloaded(GROUP, 9000)


@pytest.mark.parametrize("tells", [True, False])
async def test_position_beyond_the_end_of_a_stream_is_one_reloaded(server: Server, *, tells: bool) -> None:
    server.places = [messages.StreamPosition(GROUP, "us", 1, 5)]
    server.answers[messages.CatchUp] = replies(messages.CaughtUp(0, GROUP, 5, tells, []))
    async with connected(server, positions={GROUP: 9}) as client:
        assert await anext(client.pushes()) == Reloaded(GROUP, 5)
        assert client.positions[GROUP] == 5
        assert await client.catch_up(GROUP, 9) == Reloaded(GROUP, 5)


async def test_catch_up_after_a_refusal_and_a_lost_connection_succeeds(server: Server) -> None:
    server.places = [messages.StreamPosition(GROUP, "us", 1, 5)]
    server.answers[messages.CatchUp] = in_turn(refuses(codes.Refusal.RATE_LIMITED), breaks, replies(page(5, 5)))
    async with connected(server, positions={GROUP: 4}) as client:
        assert await next_numbers(client, 1) == [5]


async def test_catch_up_of_a_group_that_was_left_stops(server: Server) -> None:
    server.places = [messages.StreamPosition(GROUP, "us", 1, 5)]
    server.answers[messages.CatchUp] = refuses(codes.Refusal.NOT_A_MEMBER)
    async with connected(server, positions={GROUP: 4}) as client:
        await until(lambda: GROUP not in client.positions)
    assert len(server.asked) == 1


async def test_pushes_over_the_maximum_drop_the_oldest(server: Server) -> None:
    server.places = [messages.StreamPosition(GROUP, "us", 1, 0)]
    server.answers[messages.GetBalance] = replies(messages.Balance(0, 0))
    async with connected(server, pushes_max=10) as client:
        for number in range(1, 31):
            server.sessions[0].push(post(number))
        await client.balance()
        assert client.pushes_dropped == 20
        assert await next_numbers(client, 10) == list(range(21, 31))


async def test_catch_up_by_the_app_returns_all_pages(server: Server) -> None:
    server.answers[messages.CatchUp] = in_turn(replies(page(3, 1, 2)), replies(page(3, 3)))
    async with connected(server) as client:
        posts = await client.catch_up(GROUP, 0)
    assert isinstance(posts, list)
    assert [one.message for one in posts] == [1, 2, 3]


# --- on the wire ----------------------------------------------------------------------------------------------


async def test_requests_of_one_loop_iteration_leave_in_one_write(server: Server) -> None:
    server.answers[messages.GetBalance] = replies(messages.Balance(0, 0))
    async with connected(server) as client:
        before = server.sessions[0].reads
        await asyncio.gather(*(client.balance() for _ in range(50)))
        assert server.sessions[0].reads == before + 1


async def test_malformed_frame_from_the_server_ends_the_client(server: Server) -> None:
    server.answers[messages.GetBalance] = lambda session, _: session.transport.write(b"\x00\x00\x00\x01\x93")
    async with connected(server) as client:
        with pytest.raises(errors.ConnectionRefusedForGood, match="from the server"):
            await client.balance()


@pytest.mark.parametrize("url", ["127.0.0.1:7788", "http://127.0.0.1:7788", "tcp://127.0.0.1", "tcp://:7788"])
def test_client_with_a_malformed_url_raises_a_client_error(url: str) -> None:
    with pytest.raises(errors.ClientError, match="tcp://host:port") as raised:
        Client(url, TOKEN)
    assert (raised.value.name, raised.value.temporary) == ("malformed_url", False)
    assert isinstance(raised.value, ValueError)  # as in the versions before


def test_client_with_a_malformed_token_raises_a_client_error() -> None:
    with pytest.raises(errors.ClientError, match="a token must look like") as raised:
        Client("tcp://127.0.0.1:7788", "7.x.y")
    assert (raised.value.name, raised.value.temporary) == ("malformed_token", False)
    assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("url", ["tcp://[::1]:7788", "tls://[2001:db8::1]:7788"])
def test_client_reads_the_url_of_an_ipv6_address(url: str) -> None:
    assert str(parse_url(url, "tcp", "tls")) == url.partition("://")[2]


# --- refusals -------------------------------------------------------------------------------------------------


def test_refusal_of_a_code_with_a_class_has_that_class() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.Refusal)]
    for kind in kinds:
        if kind is not errors.Refusal:
            assert type(errors.refusal_of(refused(1, kind.CODE))) is kind


@pytest.mark.parametrize("code", codes.Refusal)
def test_refusal_of_every_code_has_its_name_and_retry_time(code: codes.Refusal) -> None:
    error = errors.refusal_of(refused(1, code, "why"))
    row = codes.REFUSALS[code]
    assert (error.code, error.name, error.detail) == (code, code.name.lower(), "why")
    assert (error.temporary, error.retry_after_ms) == (row.temporary, row.retry_after_ms)


# --- old names ------------------------------------------------------------------------------------------------


async def test_methods_under_their_old_names_warn_and_send_the_same_request(server: Server) -> None:
    server.answers[messages.GrabStats] = replies(messages.GrabStatsShown(0, GROUP, []))
    server.answers[messages.StopWatching] = replies(messages.WatchingStopped(0, PACKET))
    server.answers[messages.ResultPage] = ignores
    async with connected(server) as client:
        with pytest.warns(DeprecationWarning, match="reactions is deprecated: use grab_stats"):
            assert (await client.reactions(GROUP)).group_id == GROUP
        with pytest.warns(DeprecationWarning, match="stop_watching is deprecated: use unsubscribe"):
            await client.stop_watching(PACKET)
        wait_for_replies(client, 0.05)
        with (
            pytest.warns(DeprecationWarning, match="watch= is deprecated: use subscribe="),
            suppress(errors.TimedOut),
        ):
            await client.result_page(PACKET, watch=True)
    assert server.asked_for(messages.ResultPage)[0].watch is True
