"""The example adapter for OpenIM: the test plays OpenIM's part, with the JSON that OpenIM v3 sends to webhooks."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bench.chaos.supervisor import free_port
from tests.conftest import API_KEYS, PATIENCE_S, Server
from tests.http_api.client import Api
from tests.http_api.test_example_backends import DOCS

PATH = "9c05a7"
GO_ON = {"actionCode": 0, "errCode": 0, "errMsg": "", "errDlt": "", "nextCode": 0}
TOKENS = {"token of Ada": "6107250001", "token of Ben": "6107250002", "token of Eve": "6107250009"}
CREATED = """{"callbackCommand": "callbackAfterCreateGroupCommand", "groupID": "3217", "groupName": "一家人",
 "notification": "", "introduction": "", "faceURL": "", "ownerUserID": "6107250001", "createTime": 1780000000000,
 "memberCount": 0, "ex": "", "status": 0, "creatorUserID": "6107250001", "groupType": 2, "needVerification": 0,
 "lookMemberInfo": 0, "applyMemberFriend": 0, "notificationUpdateTime": 0, "notificationUserID": "",
 "initMemberList": [{"userID": "6107250001", "roleLevel": 100}, {"userID": "6107250003", "roleLevel": 20}]}"""
JOINS = """{"callbackCommand": "callbackBeforeMembersJoinGroupCommand", "groupID": "3217",
 "memberList": [{"userID": "6107250002", "ex": ""}], "groupEx": ""}"""
KICKED = """{"callbackCommand": "callbackAfterKickGroupCommand", "groupID": "3217",
 "kickedUserIDs": ["6107250003"], "reason": ""}"""
QUIT = '{"callbackCommand": "callbackAfterQuitGroupCommand", "groupID": "3217", "userID": "6107250002"}'
DISMISSED = """{"callbackCommand": "callbackAfterDisMissGroupCommand", "groupID": "3217", "ownerID": "6107250001",
 "groupType": "2", "membersID": ["6107250001"]}"""
REGISTERED = """{"callbackCommand": "callbackAfterUserRegisterCommand", "users": [{"userID": "6107250001",
 "nickname": "Ada", "faceURL": "", "ex": "", "createTime": 0, "appMangerLevel": 0, "globalRecvMsgOpt": 0}]}"""
MESSAGE = """{"sendID": "6107250001", "callbackCommand": "%s", "serverMsgID": "b7dd0d28ff44d2a3d11d1d0b3a5d8f6d",
 "clientMsgID": "%s", "operationID": "1646445464564", "senderPlatformID": 2, "senderNickname": "Ada",
 "sessionType": 3, "msgFrom": 100, "contentType": %d, "status": 1, "sendTime": 1780000000500,
 "createTime": 1780000000400, "content": %s, "seq": 0, "atUserList": null, "faceURL": "", "ex": ""%s}"""
TEXT, CUSTOM = 101, 110
BEFORE, MODIFY, AFTER = (
    "callbackBeforeSendGroupMsgCommand",
    "callbackBeforeMsgModifyCommand",
    "callbackAfterSendGroupMsgCommand",
)


def message(command: str, client_id: str, kind: int, content: dict[str, Any]) -> str:
    """A message as a webhook tells it; that of a modification has no group."""
    group = "" if command == MODIFY else ', "groupID": "3217"'
    return MESSAGE % (command, client_id, kind, json.dumps(json.dumps(content)), group)


class OpenIM:
    """Calls of OpenIM and of its app to a running adapter."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http, self._url = http, url

    async def webhook(self, body: str, path: str = PATH) -> Any:
        command = json.loads(body)["callbackCommand"]
        headers = {"Content-Type": "application/json", "operationID": "1646445464564"}
        url = f"{self._url}/{path}/{command}"
        async with self._http.post(url, data=body.encode(), headers=headers) as response:
            return await response.json() if response.status == 200 else response.status

    async def send(self, client_id: str, kind: int, content: dict[str, Any]) -> Any:
        """A message: a refusal, or what its modification changes."""
        before = await self.webhook(message(BEFORE, client_id, kind, content))
        if before["nextCode"]:
            return before
        assert before == GO_ON
        modified = await self.webhook(message(MODIFY, client_id, kind, content))
        assert await self.webhook(message(AFTER, client_id, kind, content)) == GO_ON
        return modified

    async def open(self, packet: str, token: str) -> tuple[int, Any]:
        async with self._http.post(f"{self._url}/packets/{packet}/open", headers={"token": token}) as response:
            return response.status, await response.json()


async def parse_token(request: web.Request) -> web.Response:
    """OpenIM's POST /auth/parse_token."""
    assert request.headers["operationID"]
    if (user_id := TOKENS.get((await request.json())["token"])) is None:
        return web.json_response({"errCode": 1506, "errMsg": "TokenNotExistError", "errDlt": ""})
    data = {"userID": user_id, "platformID": 2, "expireTimeSeconds": 7_776_000}
    return web.json_response({"errCode": 0, "errMsg": "", "errDlt": "", "data": data})


@pytest.fixture
async def openim(server: Server) -> AsyncIterator[OpenIM]:
    app = web.Application()
    app.router.add_post("/auth/parse_token", parse_token)
    runner = web.AppRunner(app)
    await runner.setup()
    api, port = free_port(), free_port()
    await web.TCPSite(runner, "127.0.0.1", api).start()
    environment = {
        "HONGBAO_URL": server.app.http_api.url,
        "HONGBAO_KEY": f"api.{API_KEYS['api'].hex()}",
        "OPENIM_URL": f"http://127.0.0.1:{api}",
        "OPENIM_PATH": PATH,
        "PATH": "/usr/bin:/bin",
    }
    program = (sys.executable, DOCS / "example_openim.py", str(port))
    process = await asyncio.create_subprocess_exec(*program, env=environment)
    try:
        async with aiohttp.ClientSession() as http, asyncio.timeout(PATIENCE_S * 2):
            adapter = OpenIM(http, f"http://127.0.0.1:{port}")
            while True:
                assert process.returncode is None, "the adapter ended"
                try:
                    await adapter.webhook(REGISTERED)
                    break
                except aiohttp.ClientConnectorError:
                    await asyncio.sleep(0.05)
            assert await adapter.webhook(CREATED) == GO_ON
            assert await adapter.webhook(JOINS) == GO_ON
            yield adapter
    finally:
        process.kill()
        await process.wait()
        await runner.cleanup()


async def members(api: Api) -> list[str]:
    found: list[str] = (await api.ok("GET", "/v1/groups/3217/members"))["user_ids"]
    return found


async def top_up(api: Api) -> None:
    await api.ok("POST", "/v1/wallets/6107250001/top-up", {"amount_fen": 1_000}, "an order")


async def test_openim_text_becomes_a_card_whose_packet_the_members_open(openim: OpenIM, api: Api) -> None:
    await top_up(api)
    hello = await openim.send("c0", TEXT, {"content": "hello"})
    assert hello == GO_ON
    text = {"content": "/hongbao 8.88 2 恭喜 发财"}
    sent = await openim.send("c1", TEXT, text)
    card = json.loads(sent["content"])
    data = json.loads(card["data"])
    assert (sent["nextCode"], sent["contentType"], card["description"]) == (0, CUSTOM, "[红包] 恭喜 发财")
    assert (data["type"], data["greeting"]) == ("hongbao", "恭喜 发财")
    assert json.loads((await openim.send("c1", TEXT, text))["content"]) == card  # the app sent it again
    opened = [await openim.open(data["packet_id"], token) for token in ("token of Ada", "token of Ben")]
    assert [(status, reply["answer"]) for status, reply in opened] == [(200, "won"), (200, "won")]
    assert sum(reply["amount_fen"] for _, reply in opened) == 888
    assert (await openim.open(data["packet_id"], "token of Eve"))[0] in (403, 404)
    assert (await openim.open(data["packet_id"], "a token of another chat"))[0] == 401


async def test_openim_custom_message_becomes_a_packet_and_a_forged_card_is_refused(
    openim: OpenIM, api: Api
) -> None:
    await top_up(api)
    asked = {"type": "hongbao", "amount_fen": 500, "shares": 1, "greeting": "hi"}
    custom = {"data": json.dumps(asked), "description": "", "extension": ""}
    data = json.loads(json.loads((await openim.send("c1", CUSTOM, custom))["content"])["data"])
    assert (await openim.open(data["packet_id"], "token of Ben"))[1] == {"answer": "won", "amount_fen": 500}
    forged = await openim.send("c2", CUSTOM, custom | {"data": json.dumps(data)})
    assert (forged["nextCode"], forged["errMsg"]) == (1, "usage: /hongbao AMOUNT SHARES GREETING")
    of_another_app = {"data": '{"type": "order"}', "description": "", "extension": ""}
    assert await openim.send("c3", CUSTOM, of_another_app) == GO_ON


async def test_openim_message_of_a_refused_packet_is_stopped_with_the_reason(openim: OpenIM, api: Api) -> None:
    await top_up(api)
    for client_id, text in (("c1", "/hongbao 11 1"), ("c2", "/hongbao 0.001 1"), ("c3", "/hongbao much 1")):
        refused = await openim.send(client_id, TEXT, {"content": text})
        assert (refused["actionCode"], refused["nextCode"], refused["errCode"]) == (0, 1, 5001)
        assert refused["errMsg"]
    assert (await api.ok("GET", "/v1/users/6107250001"))["balance_fen"] == 1_000


async def test_openim_users_and_members_are_those_of_openim(openim: OpenIM, api: Api) -> None:
    assert (await api.ok("GET", "/v1/users/6107250001"))["name"] == "Ada"
    assert (await api.ok("GET", "/v1/groups/3217"))["name"] == "一家人"
    assert await members(api) == ["6107250001", "6107250002", "6107250003"]
    assert await openim.webhook(KICKED) == GO_ON
    assert await openim.webhook(QUIT) == GO_ON
    assert await openim.webhook(CREATED) == GO_ON  # it comes late
    assert await members(api) == ["6107250001"]
    assert await openim.webhook(DISMISSED) == GO_ON
    assert (await api("GET", "/v1/groups/3217")).status == 404


async def test_openim_member_of_whom_hongbao_cannot_be_told_joins_all_the_same(openim: OpenIM, api: Api) -> None:
    """Here the id is no number; while hongbao is away it is the same."""
    assert await openim.webhook(JOINS.replace("6107250002", "ben@chat")) == GO_ON
    assert await openim.webhook(QUIT.replace("6107250002", "ben@chat")) == GO_ON
    assert await members(api) == ["6107250001", "6107250002", "6107250003"]
    hello = json.loads(message(BEFORE, "c1", TEXT, {"content": "/hongbao 1 1"})) | {"sendID": "ben@chat"}
    assert (await openim.webhook(json.dumps(hello)))["nextCode"] == 1


async def test_openim_webhook_with_a_wrong_path_is_not_found(openim: OpenIM) -> None:
    assert await openim.webhook(DISMISSED, path="9c05a8") == 404
