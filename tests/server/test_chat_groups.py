"""Groups and one-to-one chats in the terminal client: joined by invite, or decided by the chat backend."""

from __future__ import annotations

import asyncio
import io

import pytest

from client_sim.chat.plain import Plain
from client_sim.chat.session import Start
from client_sim.sdk.client import Client
from client_sim.sdk.names import user_id_of
from tests.conftest import PATIENCE_S, Connect, Server, StartServer, token
from tests.server.test_chat import HONGBAO, ME, OTHER, chat, family, find_in_order, plain
from tests.terminal import Terminal

ME_ID, OTHER_ID = user_id_of(ME), user_id_of(OTHER)


async def test_plain_chat_joins_by_invite_and_shows_the_invite(server: Server, connect: Connect) -> None:
    other = await connect(server, OTHER_ID)
    first, second = [await other.create_group(name) for name in ("一家人", "同事")]
    codes = [await other.invite(group_id) for group_id in (first, second)]
    out, err, code = await plain(
        chat(server, ME, "--invite", codes[0]),
        "/wait welcome",
        "/invite",
        f"/join {codes[1].lower()}",
        "/invite",
        "/invite new",
        f"/join {'A' * 16}",
    )
    assert (err, code) == ("", 0)
    find_in_order(
        [
            rf"here group={first} name=一家人",
            rf"invite group={first} code={codes[0]}",
            rf"here group={second} name=同事",
            rf"invite group={second} code={codes[1]}",
            r"refused name=not_owner temporary=no .*",
            r"refused name=bad_invite temporary=no .*",
        ],
        out,
    )


async def test_plain_chat_of_an_owner_renews_the_invite(server: Server, backend: Client, connect: Connect) -> None:
    out, err, code = await plain(
        chat(server, ME), "/wait welcome", "/new 一家人", "/invite", "/invite new", "/invite"
    )
    assert (err, code) == ("", 0)
    first, renewed, again = [line.rpartition("code=")[2] for line in out.splitlines() if line.startswith("invite ")]
    assert first != renewed == again


@pytest.mark.long
async def test_plain_chat_with_one_user_takes_texts_and_personal_packets(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, _ = await family(backend, connect, server)
    stream_id = (await other.open_chat(ME_ID)).stream_id
    out, err, code = await plain(
        chat(server, ME),
        "/wait welcome",
        f"/chat {OTHER}",
        "在吗？",
        "/wait text",
        "/send 5.20 1 爱你",
        "/wait packet",
    )
    assert (err, code) == ("", 0)
    find_in_order(
        [
            rf"group group={stream_id} name=阿强 owner=0",
            rf"here group={stream_id} name=阿强",
            rf"text group={stream_id} message=1 user={ME_ID} from=小梅 text=在吗？",
            rf"packet group={stream_id} message=2 .* kind=personal shares=1 state=open greeting=爱你",
        ],
        out,
    )


@pytest.mark.long
async def test_plain_chat_shows_that_the_backend_puts_the_user_in_and_out(
    server: Server, backend: Client, connect: Connect
) -> None:
    group_id = await backend.put_group("room-5", "一家人")
    process = await asyncio.create_subprocess_exec(
        *chat(server, ME, "--plain"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_S):
            await _line(process.stdout, "welcome ")
            await backend.change_members(group_id, 1, joined=[ME_ID])
            assert await _line(process.stdout, "added ") == f"added group={group_id} name=一家人 owner=0"
            await backend.change_members(group_id, 2, left=[ME_ID])
            assert await _line(process.stdout, "removed ") == f"removed group={group_id} name=一家人"
    finally:
        process.stdin.close()
        await process.wait()


async def _line(out: asyncio.StreamReader, beginning: str) -> str:
    """The next line that begins so."""
    while line := (await out.readline()).decode().rstrip("\n"):
        if line.startswith(beginning):
            return line
    raise AssertionError(f"the chat ended without a line {beginning}")


async def test_terminal_shows_the_invite_and_that_the_backend_added_the_user(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    code = await other.invite(group_id)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "zh")) as screen:
        await screen.see("一家人", "● 在线")
        screen.type("/invite")
        await screen.see("邀请码  一家人", f"/join {code}")
        screen.press("esc")
        room = await backend.put_group("room-5", "同事")
        await backend.sync_members(room, 1, [ME_ID])
        await screen.see("你已加入「同事」")
        await backend.sync_members(room, 2, [])
        await screen.see("你已不在群「同事」里")
        screen.type("/join 42")
        await screen.see("/join 邀请码")
        screen.type("/quit")
        assert await screen.ended() == 0


async def test_plain_chat_where_the_backend_decides_goes_on_and_says_so(start_server: StartServer) -> None:
    server = await start_server(chat__self_service=False)
    out, err, code = await plain(chat(server, ME), "/wait welcome", "/new 一家人", "/name 小梅", "/chat 7")
    assert (err, code) == ("", 0)
    assert out.count("refused name=backend_decides temporary=no") == 3


async def test_plain_chat_with_a_name_that_is_taken_goes_on_and_says_so(server: Server, connect: Connect) -> None:
    await (await connect(server, 7)).set_name(ME)
    out = io.StringIO()
    async with Client(server.url, token(ME_ID)) as client, asyncio.timeout(PATIENCE_S):
        lines: asyncio.Queue[str | None] = asyncio.Queue()
        lines.put_nowait(None)
        assert await Plain(client, out, Start(ME)).run(lines) == 0
    find_in_order(
        [r"refused name=name_taken temporary=no .*", rf"welcome user={ME_ID} name={ME_ID} .*"], out.getvalue()
    )


async def test_chat_with_a_token_never_renames_its_user(server: Server, connect: Connect) -> None:
    boss = await connect(server, 7)
    await boss.set_name("老王")
    words = [*HONGBAO, "chat", "--as", "小红", "--url", server.url, "--token", token(7)]
    out, err, code = await plain(words, "/wait welcome")
    assert (err, code) == ("", 0)
    find_in_order([r"welcome user=7 name=老王 .*"], out)
    assert (await boss.names([7])).names == ["老王"]
