"""A host wallet: the own wallet of a chat backend, as hongbao calls it (see payments.md).

    pip install aiohttp
    HOST_WALLET_KEY=<64 hex digits> python example_host_wallet.py wallet.db 8080

It shows the contract in full: signed requests, each number done once, signed replies. What your wallet has instead
of the SQLite tables is your own matter. Nothing of hongbao's code is used here.
"""

import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time

from aiohttp import web

KEYS = {"k1": bytes.fromhex(os.environ.get("HOST_WALLET_KEY", ""))}  # two while a key is being replaced
SCHEMA = """
CREATE TABLE IF NOT EXISTS wallets (user_id TEXT PRIMARY KEY, fen INTEGER NOT NULL CHECK (fen >= 0));
CREATE TABLE IF NOT EXISTS orders
    (number TEXT PRIMARY KEY, kind TEXT, user_id TEXT, fen INTEGER, result TEXT, reason TEXT);
CREATE TABLE IF NOT EXISTS nonces (nonce TEXT PRIMARY KEY, stamp INTEGER);
"""


def mac(scheme: str, key_id: str, stamp: str, nonce: str, path: str, number: str, body: bytes) -> str:
    """The signature of a request (hongbao-http-1) or of its reply (hongbao-reply-1)."""
    lines = scheme, key_id, stamp, nonce, "POST", path, number, hashlib.sha256(body).hexdigest()
    return hmac.new(KEYS[key_id], "\n".join(lines).encode(), "sha256").hexdigest()


class Books:
    """Who has how much, and what became of each number. The first result of a number is final."""

    def __init__(self, path: str) -> None:
        self.db = sqlite3.connect(path, isolation_level=None)
        self.db.executescript(SCHEMA)

    def do(self, kind: str, number: str, user_id: str, fen: int) -> dict:
        """Move money once per number, in one transaction, and say what became of it."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            if self.find(number)["result"] == "not_found":
                self.db.execute("INSERT OR IGNORE INTO wallets VALUES (?, 0)", (user_id,))
                (have,) = self.db.execute("SELECT fen FROM wallets WHERE user_id = ?", (user_id,)).fetchone()
                change = -fen if kind == "charge" else fen
                result = ("succeeded", "") if have + change >= 0 else ("failed", "not enough money")
                row = (number, kind, user_id, fen, *result)
                self.db.execute("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", row)
                if result[0] == "succeeded":
                    self.db.execute("UPDATE wallets SET fen = fen + ? WHERE user_id = ?", (change, user_id))
            self.db.execute("COMMIT")
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        return self.find(number)

    def is_new(self, nonce: str, stamp: int) -> bool:
        """Whether a nonce was not used before, also before a restart; what is too old anyway is forgotten."""
        self.db.execute("DELETE FROM nonces WHERE stamp < ?", (stamp - 900,))
        return self.db.execute("INSERT OR IGNORE INTO nonces VALUES (?, ?)", (nonce, stamp)).rowcount == 1

    def find(self, number: str) -> dict:
        """What became of a number."""
        row = self.db.execute("SELECT * FROM orders WHERE number = ?", (number,)).fetchone()
        names = "number", "kind", "user_id", "amount_fen", "result", "reason"
        return dict(zip(names, row or (number, "", "", 0, "not_found", ""), strict=True))


class HostWallet:
    """The three calls: /charge, /payout and /query."""

    def __init__(self, books: Books) -> None:
        self.books = books

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Check the signature, do what is asked, sign the reply."""
        body, told, now = await request.read(), request.headers, time.time()
        try:
            key_id, stamp, nonce = told["Hongbao-Key"], told["Hongbao-Timestamp"], told["Hongbao-Nonce"]
            order, is_late = json.loads(body), abs(now - int(stamp)) > 300
            expected = mac("hongbao-http-1", key_id, stamp, nonce, request.path, order["number"], body)
            is_signed = hmac.compare_digest(expected.encode(), told["Hongbao-Signature"].encode())
        except (KeyError, ValueError, TypeError):  # a header that is missing, a key that is not known, no JSON
            return web.Response(status=401)
        if not is_signed or is_late or not self.books.is_new(nonce, int(stamp)):
            return web.Response(status=401)
        verb = request.path.rpartition("/")[2]
        if verb == "query":
            answer = self.books.find(order["number"])
        elif verb == order["kind"]:
            answer = self.books.do(verb, order["number"], order["user_id"], order["amount_fen"])
        else:
            return web.Response(status=404)
        reply, stamp = json.dumps(answer).encode(), str(int(now))
        headers = {"Hongbao-Key": key_id, "Hongbao-Timestamp": stamp, "Hongbao-Nonce": nonce}
        headers["Hongbao-Signature"] = mac(
            "hongbao-reply-1", key_id, stamp, nonce, request.path, order["number"], reply
        )
        return web.Response(body=reply, content_type="application/json", headers=headers)


if __name__ == "__main__":
    if len(KEYS["k1"]) < 32:
        sys.exit("HOST_WALLET_KEY must be 64 hex digits, the same that hongbao has: openssl rand -hex 32")
    app = web.Application()
    app.router.add_post("/{path:.*}", HostWallet(Books(sys.argv[1])).handle)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[2]))
