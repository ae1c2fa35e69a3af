"""An adapter between OpenIM and hongbao: a message in a group becomes a red packet; docs/attach.md explains it.

    HONGBAO_URL=http://127.0.0.1:7792 HONGBAO_KEY=k1.6f1d… OPENIM_URL=http://127.0.0.1:10002 OPENIM_PATH=9c05… \\
        python docs/example_openim.py 10006

OpenIM calls it by webhooks (their url, in config/webhooks.yml: http://127.0.0.1:10006/9c05…), the app to open.
"""

import asyncio
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import time
from collections import OrderedDict
from decimal import Decimal
from urllib.parse import quote

from aiohttp import ClientError, ClientSession, ClientTimeout, web

# --- hongbao: a signed request, repeated while the refusal is temporary -------------------------------------------

URL, (KEY_ID, _, KEY) = os.environ.get("HONGBAO_URL", ""), os.environ.get("HONGBAO_KEY", "").partition(".")
OPENIM_URL, PATH = os.environ.get("OPENIM_URL", ""), os.environ.get("OPENIM_PATH", "")
if not (URL and KEY and OPENIM_URL and PATH):  # PATH is a secret, because OpenIM does not sign its webhooks
    sys.exit("set HONGBAO_URL=http://127.0.0.1:7792, HONGBAO_KEY=ID.HEX, OPENIM_URL and OPENIM_PATH")
if not KEY_ID or not re.fullmatch("([0-9a-fA-F]{2})+", KEY):
    sys.exit("HONGBAO_KEY must be ID.HEX, such as k1.6f1d…; `hongbao key show --api --bearer` prints it")
TRIES = 5
ANSWER_S = 4.0  # OpenIM waits for 5 s
TEXT, CUSTOM, GROUP = 101, 110, 3  # contentType, contentType, sessionType
REFUSED = 5001  # errCode of a refused message; the app shows its errMsg
PACKETS_MAX = 10_000  # packets whose message is not stored yet


class Refused(Exception):
    """What hongbao or this adapter does not allow: a text, and the status of hongbao's answer."""

    def __init__(self, text, status=400):
        super().__init__(text)
        self.status = status


def signature(method, path, body, idempotency_key):
    """The headers of a signed request (docs/http-api.md)."""
    stamp, nonce, digest = str(int(time.time())), secrets.token_hex(16), hashlib.sha256(body).hexdigest()
    lines = ["hongbao-http-1", KEY_ID, stamp, nonce, method, path, idempotency_key, digest]
    mac = hmac.new(bytes.fromhex(KEY), "\n".join(lines).encode(), "sha256").hexdigest()
    names = ("Hongbao-Key", "Hongbao-Timestamp", "Hongbao-Nonce", "Hongbao-Signature")
    return dict(zip(names, (KEY_ID, stamp, nonce, mac), strict=True))


async def hongbao(app, method, path, content=None, idempotency_key=""):
    """The reply. The same key makes a repetition harmless, so an unknown outcome is simply asked again."""
    body = b"" if content is None else json.dumps(content).encode()
    for left in reversed(range(TRIES)):
        headers = signature(method, path, body, idempotency_key) | {"Content-Type": "application/json"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        try:
            async with app["http"].request(method, URL + path, data=body or None, headers=headers) as response:
                reply = await response.json(content_type=None)
                if response.status < 400:
                    return reply
        except (ClientError, TimeoutError):
            reply = {"temporary": True, "status": 503, "title": "hongbao does not respond"}
        if not (reply.get("temporary") and left):
            break
        await asyncio.sleep(reply.get("retry_after_ms", 200) / 1000)
    raise Refused(reply.get("detail") or reply["title"], reply["status"])


def user(openim_id):
    """The id at hongbao. Numbers stay as they are; for ids of another form keep a table in your database."""
    if not openim_id.isascii() or not openim_id.isdigit() or openim_id[0] == "0" or int(openim_id) >= 1 << 53:
        raise Refused(f"the user id {openim_id} is not a number from 1 to 2^53 - 1")
    return openim_id


# --- a message becomes a packet -----------------------------------------------------------------------------------


def packet_in(message):
    """The packet that a message asks for: the text "/hongbao 8.88 3 Good luck", or a custom message. Else None."""
    try:
        content = json.loads(message["content"])
        asked = content["content"] if message["contentType"] == TEXT else json.loads(content["data"])
    except (ValueError, LookupError, TypeError):
        return None
    try:
        if message["contentType"] == TEXT and asked.startswith("/hongbao "):
            _, amount, shares, *greeting = asked.split(" ", 3)
            if (fen := Decimal(amount) * 100) == int(fen):
                return {"amount_fen": int(fen), "shares": int(shares), "greeting": " ".join(greeting)}
            raise ValueError
        if message["contentType"] == CUSTOM and isinstance(asked, dict) and asked.get("type") == "hongbao":
            return {
                "amount_fen": asked["amount_fen"],
                "shares": asked["shares"],
                "greeting": asked.get("greeting", ""),
            }
    except (ValueError, ArithmeticError, LookupError):
        raise Refused("usage: /hongbao AMOUNT SHARES GREETING") from None
    return None


def key_of(message):
    """The same when the app sends a message again."""
    return f"openim {message['sendID']} {message['clientMsgID']}"


async def before_send(app, message):
    """The packet is sent before its message: a packet that is refused, for lack of money say, leaves no message."""
    if packet := packet_in(message):
        sender = user(message["sendID"])
        packet |= {"sender_id": sender, "kind": "lucky", "group": message["groupID"]}
        packet["client_seed"] = secrets.token_hex(32)  # provably fair against the operator of hongbao, too
        sent = await hongbao(app, "POST", "/v1/packets", packet, key_of(message))
        app["packets"][key_of(message)] = {"packet_id": sent["packet_id"], "greeting": packet["greeting"]}
        while len(app["packets"]) > PACKETS_MAX:
            app["packets"].popitem(last=False)


async def before_modify(app, message):
    """OpenIM asks this next. The message gets the id of its packet, which no app can write by itself."""
    if message["sessionType"] != GROUP or packet_in(message) is None:
        return {}
    if (packet := app["packets"].get(key_of(message))) is None:  # this adapter was started again in between
        raise Refused("send the message again")
    data = json.dumps({"type": "hongbao", **packet}, ensure_ascii=False)
    card = {"data": data, "description": f"[红包] {packet['greeting']}", "extension": ""}
    return {"contentType": CUSTOM, "content": json.dumps(card, ensure_ascii=False)}


async def after_send(app, message):
    """The message is stored."""
    app["packets"].pop(key_of(message), None)


# --- users, groups and members ------------------------------------------------------------------------------------


async def users_changed(app, call):
    for one in call.get("users") or [call]:
        if name := one.get("nickname") or one.get("nickName"):
            await hongbao(app, "PUT", f"/v1/users/{user(one['userID'])}", {"name": name})


async def members_changed(app, call):
    """Users join, leave or are removed. The first call about a group may come before the one with its name."""
    joined = [user(one["userID"]) for one in call.get("initMemberList") or call.get("memberList") or []]
    left = [user(one) for one in call.get("kickedUserIDs") or ([call["userID"]] if "userID" in call else [])]
    group = "/v1/groups/" + quote(call["groupID"], safe="")
    version = call.get("createTime") or time.time_ns() // 1_000_000  # a late call undoes nothing newer
    change = {"version": version, "joined": joined, "left": left}
    if "groupName" in call:
        await hongbao(app, "PUT", group, {"name": call["groupName"] or call["groupID"]})
    try:
        await hongbao(app, "POST", f"{group}/members", change)
    except Refused as refused:
        if refused.status != 404 or not joined:
            raise
        await hongbao(app, "PUT", group, {"name": call["groupID"]})
        await hongbao(app, "POST", f"{group}/members", change)


async def group_dismissed(app, call):
    await hongbao(app, "DELETE", "/v1/groups/" + quote(call["groupID"], safe=""))


WEBHOOKS = {
    "callbackBeforeSendGroupMsgCommand": before_send,
    "callbackBeforeMsgModifyCommand": before_modify,
    "callbackAfterSendGroupMsgCommand": after_send,
    "callbackAfterUserRegisterCommand": users_changed,
    "callbackAfterUpdateUserInfoCommand": users_changed,
    "callbackAfterCreateGroupCommand": members_changed,
    "callbackBeforeMembersJoinGroupCommand": members_changed,
    "callbackAfterQuitGroupCommand": members_changed,
    "callbackAfterKickGroupCommand": members_changed,
    "callbackAfterDisMissGroupCommand": group_dismissed,
}
MAY_STOP = (before_send, before_modify)  # a message waits for its packet; members come and go without hongbao, too


async def webhook(request):
    """POST /{OPENIM_PATH}/{command}: nextCode 1 stops OpenIM, 0 lets it go on; other fields replace its own."""
    if not hmac.compare_digest(request.match_info["path"].encode(), PATH.encode()):
        raise web.HTTPNotFound
    answer = {"actionCode": 0, "errCode": 0, "errMsg": "", "errDlt": "", "nextCode": 0}
    if work := WEBHOOKS.get(request.match_info["command"]):
        try:
            async with asyncio.timeout(ANSWER_S):
                answer |= await work(request.app, await request.json()) or {}
        except (Refused, TimeoutError) as error:
            why = str(error) or "hongbao does not respond"
            if work in MAY_STOP:
                answer |= {"errCode": REFUSED, "errMsg": why, "nextCode": 1}
            else:  # put the whole list of this group later
                print(f"{request.match_info['command']} had no effect: {why}", file=sys.stderr)
    return web.json_response(answer)


# --- the app opens ------------------------------------------------------------------------------------------------


async def caller(request):
    """The user whose OpenIM token the app shows in the header `token`."""
    headers, token = {"operationID": secrets.token_hex(8)}, {"token": request.headers.get("token", "")}
    url = f"{OPENIM_URL}/auth/parse_token"
    async with request.app["http"].post(url, json=token, headers=headers) as response:
        parsed = await response.json(content_type=None)
    if parsed["errCode"]:
        raise Refused(parsed["errMsg"], 401)
    return user(parsed["data"]["userID"])


async def open_packet(request):
    """POST /packets/{packet}/open: "won" with an amount, or why there is none."""
    try:
        path = f"/v1/packets/{request.match_info['packet']}/open"
        opened = await hongbao(request.app, "POST", path, {"user_id": await caller(request)})
    except Refused as refused:
        return web.json_response({"error": str(refused)}, status=refused.status)
    return web.json_response({"answer": opened["answer"], "amount_fen": opened.get("amount_fen", 0)})


async def make_app():
    app = web.Application()
    app["packets"] = OrderedDict()
    app["http"] = ClientSession(timeout=ClientTimeout(total=10))
    app.router.add_post(r"/packets/{packet:\d+}/open", open_packet)
    app.router.add_post("/{path}/{command}", webhook)
    app.on_cleanup.append(lambda app: app["http"].close())
    return app


if __name__ == "__main__":
    web.run_app(make_app(), host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 10006)
