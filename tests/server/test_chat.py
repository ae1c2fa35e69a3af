"""The terminal client in a pseudo-terminal and in a pipe, with a running server."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from client_sim.sdk.client import Client
from client_sim.sdk.money import yuan
from client_sim.sdk.names import user_id_of
from protocol import messages
from tests.conftest import PATIENCE_S, Connect, Server, StartServer, token
from tests.terminal import Terminal

HONGBAO = [sys.executable, "-m", "server.cli"]
ME, OTHER = "小梅", "阿强"
CARD_RED, CARD_FADED, SEAL_GOLD = "d94a38", "7d4038", "f3cf8a"


def chat(server: Server, name: str, *words: str) -> list[str]:
    """The command line."""
    login = ["--url", server.url, "--token", token(user_id_of(name))]
    return [*HONGBAO, "chat", "--as", name, *login, *words]


async def plain(command: list[str], *lines: str) -> tuple[str, str, int | None]:
    """What the chat prints for these lines: output, errors, exit code."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, stderr=pipe)
    async with asyncio.timeout(PATIENCE_S):
        out, err = await process.communicate("\n".join(lines).encode())
    return out.decode(), err.decode(), process.returncode


def find_in_order(patterns: list[str], out: str) -> None:
    """Lines that match are printed in this order; other lines may be between them."""
    lines, position = out.splitlines(), 0
    for pattern in patterns:
        found = next((n for n in range(position, len(lines)) if re.fullmatch(pattern, lines[n])), None)
        assert found is not None, f"{pattern} not in:\n" + "\n".join(lines[position:])
        position = found


async def family(backend: Client, connect: Connect, server: Server) -> tuple[Client, int]:
    """A second user with a group that both users are in, and money for both."""
    other = await connect(server, user_id_of(OTHER))
    await backend.put_users({user_id_of(name): name for name in (ME, OTHER)})
    for name in (ME, OTHER):
        await backend.top_up(user_id_of(name), 10_000)
    group_id = await other.create_group("一家人")
    await backend.change_members(group_id, 1, joined=[user_id_of(ME)])
    return other, group_id


async def last_packet(client: Client, group_id: int) -> int:
    """The newest packet of a group."""
    posts = await client.catch_up(group_id, 0)
    assert isinstance(posts, list)
    return next(post.packet_id for post in reversed(posts) if isinstance(post, messages.PacketPosted))


async def test_terminal_from_send_to_records_shows_every_page(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "zh")) as screen:
        await screen.see("一家人", "● 在线", "零钱 100.00元")
        await other.say(group_id, "都到齐了吗？")
        await screen.see("阿强", "都到齐了吗？")

        screen.type("/send 8.88 2 恭喜发财")  # send
        await screen.see("恭喜发财", "未领取", "拼手气红包 · 2个", "零钱 91.12元")
        assert (screen.colour_of("恭喜发财"), screen.colour_of("開")) == (CARD_RED, SEAL_GOLD)

        screen.press("enter")  # grab: an empty line taps the newest packet
        await screen.see("小梅的红包", "拆红包")
        screen.press("enter")  # open
        await screen.see("存入零钱", "已领取1/2个", "刚刚", "A 继续发送此红包")

        packet_id = await last_packet(other, group_id)
        won = await other.open(packet_id)  # result: live, then finished
        await screen.see("阿强", "2个红包共8.88元", "手气最佳", f"{yuan(won.amount_fen)}元")
        screen.press("esc")
        await screen.see("阿强领取了你的红包", "红包派完了，手气最佳：", f"零钱 {yuan(10_000 - won.amount_fen)}元")
        assert screen.colour_of("恭喜发财") == CARD_FADED

        screen.press("f3")  # records
        await screen.see("收到的红包", "共收到")
        screen.press("tab")
        await screen.see("共发出1个红包", "一家人", "8.88元", "2/2")
        screen.press("esc")
        await screen.see_no_more("共发出")
        screen.type("/statement")
        await screen.see("零钱明细", "转入", "+100.00元", "发红包", "一家人", "-8.88元", "91.12元")
        screen.press("esc")
        await screen.see_no_more("零钱明细")
        screen.type("/quit")
        assert await screen.ended() == 0


async def test_send_form_switched_between_kinds_keeps_what_was_typed(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    async with Terminal(chat(server, ME, "--group", str(group_id), "--lang", "en")) as screen:
        await screen.see("● online", "wallet ¥100.00")
        screen.type("/send")
        await screen.see("Send a red packet", "¥0.00 in all")
        screen.press("10.01", "down")
        await screen.see("¥10.01 in all")
        screen.press("2")
        screen.press("f2")
        await screen.see("each          5.00", "¥10.00 in all")
        screen.press("f2")
        await screen.see("for           NAME, NAME", "¥0.00 in all")
        screen.press("f2")
        await screen.see("words         what the others say", "total         10.01", "¥10.01 in all")
        screen.press("f2")
        await screen.see("total         10.01", "¥10.01 in all")
        screen.press("f2", "enter")
        await screen.see("equal packet", "wallet ¥90.00")
        assert (await other.open(await last_packet(other, group_id))).amount_fen == 500
        await screen.see("阿强 opened your packet: ¥5.00")


async def test_terminal_shows_personal_packets_errors_and_reconnects(
    start_server: StartServer, connect: Connect
) -> None:
    server = await start_server(server__port=0)
    backend = await connect(server, 0)
    async with Terminal(chat(server, ME, "--lang", "en"), columns=100, rows=30) as screen:
        await screen.see("● online", "Inbox", f"hongbao topup {user_id_of(ME)} 8800", "/join CODE")
        await backend.top_up(user_id_of(ME), 8_800)
        await screen.see("wallet ¥88.00")
        other = await connect(server, user_id_of(OTHER))
        await backend.top_up(user_id_of(OTHER), 520)
        await other.send_packet("personal", user_id_of(ME), 520, greeting="爱你")
        await screen.see("爱你", "not opened yet")
        screen.type("/open")
        await screen.see("opened, ¥5.20")
        screen.type("/nix")
        await screen.see("no such command: /nix")
        screen.type("/to nobody 1.00")
        await screen.see("no user is named nobody")
        screen.type("/send 1.00")
        await screen.see("usage: /send 8.88 5 greeting")
        await server.stop()
        await screen.see("● reconnecting…")
        await start_server(server__port=server.port)
        await screen.see("● online", "wallet ¥93.20")


async def test_plain_mode_in_a_pipe_writes_one_line_per_event(
    server: Server, backend: Client, connect: Connect
) -> None:
    other, group_id = await family(backend, connect, server)
    script = """
        /wait welcome
        大家 "好"
        /wait text
        /send 8.88 1 恭喜 发财
        /wait packet
        /tap
        /open
        /wait finished
        /result
        /equal 1.00 2
        /wait packet
        /again
        /wait packet
        /records sent
        /statement
        /to 阿强 5.20 爱你
        /wait packet
        /nix
        /send 9999 1
        /wait nothing 0.01
    """
    out, err, code = await plain(chat(server, ME, "--group", str(group_id)), *map(str.strip, script.splitlines()))
    assert err == ""
    patterns = [
        rf"group group={group_id} name=一家人 owner={user_id_of(OTHER)}",
        rf"welcome user={user_id_of(ME)} name=小梅 balance_fen=10000",
        rf'text group={group_id} message=1 user={user_id_of(ME)} from=小梅 text="大家 \\"好\\""',
        rf'packet group={group_id} message=2 .* kind=lucky shares=1 state=open greeting="恭喜 发财"',
        r"page packet=\d+ answer=ticket view=open .*",
        r"opened packet=\d+ answer=won amount_fen=888 index=0 left=0",
        r"finished packet=\d+ .* best=小梅 best_amount_fen=888",
        r"result packet=\d+ kind=lucky state=finished opened=1 shares=1 .* amount_fen=888 .*",
        r"share packet=\d+ index=0 .* name=小梅 amount_fen=888 .* best=yes",
        r"again packet=\d+ group=\d+",
        r"records direction=sent year=\d+ years=\d+ count=2 total_fen=1088 best_lucks=0 more=no",
        r"record packet=\d+ kind=equal .* name=一家人 amount_fen=200 shares=2 opened=0 state=open best=no",
        rf"entry reason=send at_ms=\d+ change_fen=-200 balance_fen=\d+ user={group_id} name=一家人 packet=\d+",
        # a reminder of the finished packet may have come before it
        rf"packet group={user_id_of(ME)} message=\d+ .* kind=personal shares=1 state=open greeting=爱你",
        r'bad why=unknown_command verb=nix text=""',
        r'refused name=bad_amount temporary=no detail="amount_fen: 999900 fen, allowed are 1 to 20000"',
        r"timeout event=nothing",
    ]
    find_in_order(patterns, out)
    assert code == 1  # the last /wait timed out
    assert (await other.balance()) == 10_000


@pytest.mark.parametrize(
    "where",
    [("--group", "5"), pytest.param(("--invite", "A" * 16), marks=pytest.mark.long)],
    ids=["group", "invite"],
)
async def test_chat_with_an_unknown_group_or_invite_prints_one_line(server: Server, where: tuple[str, str]) -> None:
    _, err, code = await plain(chat(server, ME, *where), "/help")
    assert (err.strip(), code) == ("hongbao: 210 bad_invite", 1)


async def test_chat_with_a_malformed_invite_prints_one_line(server: Server) -> None:
    _, err, code = await plain(chat(server, ME, "--invite", "42"), "/help")
    assert (err, code) == ("hongbao: an invite code has 16 letters and digits, not '42'\n", 1)


async def test_chat_without_a_server_prints_one_line(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *HONGBAO, "chat", "--as", ME, "--data", str(tmp_path), stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(PATIENCE_S):
        _, err = await process.communicate()
    assert err.decode() == (
        f"hongbao: no server runs on {tmp_path}; start one with: hongbao serve --data {tmp_path}\n"
    )
    assert process.returncode == 1
