"""A small chat backend with red packets: users, rooms, messages as JSON over HTTP; docs/attach.md explains it.

    HONGBAO_URL=http://127.0.0.1:7792 HONGBAO_KEY=k1.6f1d… python docs/example_backend.py 8000

Of hongbao it uses the HTTP API alone. What is hongbao's is marked; the rest stands for the chat that you have.
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
from itertools import count
from urllib.parse import quote

from aiohttp import ClientError, ClientSession, ClientTimeout, web

# --- hongbao: a signed request, repeated while the refusal is temporary -------------------------------------------

URL, (KEY_ID, _, KEY) = os.environ.get("HONGBAO_URL", ""), os.environ.get("HONGBAO_KEY", "").partition(".")
if not re.fullmatch("https?://[^/]+/*", URL):
    sys.exit("HONGBAO_URL must be the address of hongbao's HTTP API, such as http://127.0.0.1:7792")
if not KEY_ID or not re.fullmatch("([0-9a-fA-F]{2})+", KEY):
    sys.exit("HONGBAO_KEY must be ID.HEX, such as k1.6f1d…; `hongbao key show --api --bearer` prints it")


def signature(method, path, body, idempotency_key):
    """The headers of a signed request (docs/http-api.md)."""
    stamp, nonce, digest = str(int(time.time())), secrets.token_hex(16), hashlib.sha256(body).hexdigest()
    lines = ["hongbao-http-1", KEY_ID, stamp, nonce, method, path, idempotency_key, digest]
    mac = hmac.new(bytes.fromhex(KEY), "\n".join(lines).encode(), "sha256").hexdigest()
    names = ("Hongbao-Key", "Hongbao-Timestamp", "Hongbao-Nonce", "Hongbao-Signature")
    return dict(zip(names, (KEY_ID, stamp, nonce, mac), strict=True))


async def hongbao(app, method, path, content=None, idempotency_key="", tries=6):
    """The reply. The same key makes a repetition harmless, so an unknown outcome is simply asked again."""
    body = b"" if content is None else json.dumps(content).encode()
    for left in reversed(range(tries)):
        headers = signature(method, path, body, idempotency_key) | {"Content-Type": "application/json"}
        headers |= {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        try:
            sending = app["http"].request(method, app["url"] + path, data=body or None, headers=headers)
            async with sending as response:
                reply = await response.json(content_type=None)
                if response.status < 400:
                    return reply
        except (ClientError, TimeoutError):
            pause_ms = 200 << (tries - 1 - left)  # six seconds in all: a restart of hongbao takes some
            reply = {"temporary": True, "status": 503, "title": "no reply of hongbao", "retry_after_ms": pause_ms}
        if not (reply.get("temporary") and left):
            break
        await asyncio.sleep(reply.get("retry_after_ms", 200) / 1000)
    raise refusal(reply["status"], reply.get("detail") or reply["title"])


# --- the chat: users, rooms, messages, all in memory --------------------------------------------------------------


def refusal(status, text):
    """An error for the client of this chat."""
    refused = web.HTTPException(text=json.dumps({"error": text}), content_type="application/json")
    refused.set_status(status)
    return refused


def caller(request):
    """The user whose chat token this request has."""
    user = request.app["tokens"].get(request.headers.get("Authorization", "").removeprefix("Bearer "))
    if user is None:
        raise refusal(401, "log in first: POST /users")
    return user


def post(app, room, sender, **content):
    """A message in a room, as all members read it."""
    message = {"number": len(app["rooms"][room]) + 1, "from": sender["name"], **content}
    app["rooms"][room].append(message)
    return message


async def log_in(request):
    """POST /users {"name"}: a new user, with some money to play with."""
    app, name = request.app, (await request.json())["name"]
    user = {"id": str(next(app["ids"])), "name": name}
    await hongbao(app, "PUT", f"/v1/users/{user['id']}", {"name": name})  # hongbao: this user exists
    await hongbao(app, "POST", f"/v1/wallets/{user['id']}/top-up", {"amount_fen": 20_000}, f"welcome {user['id']}")
    chat_token = secrets.token_urlsafe(16)
    app["tokens"][chat_token] = user
    return web.json_response({"user_id": user["id"], "token": chat_token})


async def join(request):
    """POST /rooms/{room}/join: the first user makes the room."""
    app, room, user = request.app, request.match_info["room"], caller(request)
    group = "/v1/groups/" + quote(room, safe="")
    if room not in app["rooms"]:
        await hongbao(app, "PUT", group, {"name": room})  # hongbao: a group under our own id
        app["rooms"].setdefault(room, [])
    version = time.time_ns() // 1_000_000
    await hongbao(app, "PUT", f"{group}/members/{user['id']}", {"version": version})  # hongbao: who may open
    return web.json_response({"room": room})


async def say(request):
    """POST /rooms/{room}/messages {"id", "text"}: a text, or "/hongbao 8.88 3 Good luck": 8.88 in 3 shares."""
    app, room, user = request.app, request.match_info["room"], caller(request)
    said = await request.json()
    if room not in app["rooms"]:
        raise refusal(404, "there is no such room")
    if not said["text"].startswith("/hongbao "):
        return web.json_response(post(app, room, user, text=said["text"]))
    asked = re.fullmatch(r"/hongbao ([0-9]+)(?:\.([0-9]{1,2}))? ([0-9]+)(?: (.*))?", said["text"], re.DOTALL)
    if asked is None:
        raise refusal(400, "usage: /hongbao AMOUNT SHARES GREETING")
    yuan, fen, shares, greeting = asked.groups(default="")
    packet = {"sender_id": user["id"], "kind": "lucky", "group": room, "amount_fen": int(yuan + fen.ljust(2, "0"))}
    packet |= {"shares": int(shares), "greeting": greeting, "client_seed": secrets.token_hex(32)}
    sent = await hongbao(app, "POST", "/v1/packets", packet, f"message {said['id']}")  # hongbao: once per message
    posted = next((one for one in app["rooms"][room] if one.get("packet") == sent["packet_id"]), None)
    return web.json_response(posted or post(app, room, user, packet=sent["packet_id"], text=greeting))


async def read(request):
    """GET /rooms/{room}/messages?after=0"""
    caller(request)
    messages = request.app["rooms"].get(request.match_info["room"], [])
    return web.json_response(messages[int(request.query.get("after", 0)) :])


async def open_packet(request):
    """POST /packets/{packet}/open: "won" with an amount, or why there is none."""
    app, packet, user = request.app, request.match_info["packet"], caller(request)
    opened = await hongbao(app, "POST", f"/v1/packets/{packet}/open", {"user_id": user["id"]})
    return web.json_response({"answer": opened["answer"], "amount_fen": opened.get("amount_fen", 0)})


async def page(request):
    """POST /packets/{packet}/page: the url of the packet's page, for a WebView of this user."""
    packet, content = request.match_info["packet"], {"user_id": caller(request)["id"]}
    return web.json_response(await hongbao(request.app, "POST", f"/v1/packets/{packet}/page-link", content))


async def wallet(request):
    """GET /wallet"""
    found = await hongbao(request.app, "GET", f"/v1/users/{caller(request)['id']}")
    return web.json_response({"balance_fen": found["balance_fen"], "arriving_fen": found.get("arriving_fen", 0)})


async def make_app(url):
    """The chat, whose hongbao is at this url."""
    app = web.Application()
    app["url"], app["tokens"], app["rooms"] = url.rstrip("/"), {}, {}
    app["ids"] = count(time.time_ns() // 1_000_000)  # a chat that keeps its users has ids of its own
    app["http"] = ClientSession(timeout=ClientTimeout(total=10))
    app.add_routes([web.post("/users", log_in), web.get("/wallet", wallet), web.post("/rooms/{room}/join", join)])
    app.add_routes([web.post("/rooms/{room}/messages", say), web.get("/rooms/{room}/messages", read)])
    app.add_routes([web.post("/packets/{packet}/open", open_packet), web.post("/packets/{packet}/page", page)])
    app.on_cleanup.append(lambda app: app["http"].close())
    return app


if __name__ == "__main__":
    web.run_app(make_app(URL), host="127.0.0.1", port=int(sys.argv[1]) if len(sys.argv) > 1 else 8000)
