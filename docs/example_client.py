"""A client of hongbao that needs only the standard library and `msgpack`. The protocol is in protocol.md.

    python docs/example_client.py HOST PORT TOKEN [INVITE or PASS]

Logs in; joins the group of an invite code, or shows a pass that the chat backend signed, or makes a group. Then it
sends a packet of 1.00 yuan, grabs it, opens it and, if it is finished soon, verifies every share from its proof.
The token's user needs 1.00 yuan in the wallet.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import struct
import sys
import time
from hashlib import sha256
from typing import Any

import msgpack

GOODBYE, PING, PONG, REFUSED = 2, 3, 4, 200
LOGIN, CREATE_GROUP, JOIN_GROUP, LIST_MEMBERS, SEND_PACKET, GRAB, OPEN, REVEAL = 10, 11, 12, 14, 20, 21, 22, 23
GET_BALANCE, GET_INVITE, SHOW_PASS, GET_SEED_TREES = 24, 43, 44, 47
PUSHES = {60: "text", 61: "packet", 62: "claim", 63: "packet finished", 64: "refund", 65: "balance changed"}
TRIES = 10  # of a request whose refusals are temporary


class Client:
    """One connection. It sends one request at a time and prints the pushes that come before the reply."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.incoming = connected.makefile("rb")
        self.seq = 0

    def write(self, *message: Any) -> None:
        payload = msgpack.packb(message)
        self.socket.sendall(struct.pack(">I", len(payload)) + payload)

    def read(self) -> list[Any]:
        """The next message that is not a ping."""
        while header := self.incoming.read(4):
            message: list[Any] = msgpack.unpackb(self.incoming.read(*struct.unpack(">I", header)))
            if message[0] == GOODBYE:
                sys.exit(f"the server says goodbye: {message[3]} {message[5]}")
            if message[0] != PING:
                return message
            self.write(PONG, message[1])
        sys.exit("the server closed the connection without a goodbye")

    def ask(self, kind: int, *fields: Any) -> list[Any]:
        """Send a request; the fields of its reply. A message with another `seq` is a push (its `seq` is 0)."""
        for _ in range(TRIES):
            self.seq += 1
            self.write(kind, self.seq, *fields)
            while (reply := self.read())[1] != self.seq:
                print(f"  push: {PUSHES.get(reply[0], 'unknown')} {reply[2:]}")
            if reply[0] != REFUSED:
                return reply[2:]
            _, _, _, name, is_temporary, retry_after_ms, detail = reply
            if not is_temporary:
                break
            time.sleep(retry_after_ms / 1000)
        sys.exit(f"refused: {name} {detail}")

    def login(self, token: str) -> list[Any]:
        """Prove that we have the secret part of the token without sending it: sign the hello's nonce with it."""
        _, _, _, nonce, *_ = self.read()
        user_id, issued_at_s, expires_at_s, key_id, mac = token.split(".")
        proof = hmac.digest(bytes.fromhex(mac), nonce, "sha256")
        return self.ask(LOGIN, int(user_id), int(expires_at_s), key_id, proof, [], int(issued_at_s))

    def enter(self, entry: str) -> tuple[int, int]:
        """Be in a group, by a pass, by an invite code, or in a new one; its id, and how many members it has."""
        if "." in entry:  # a group without a member list
            return self.ask(SHOW_PASS, entry)[0], 2
        group_id = self.ask(JOIN_GROUP, 0, entry)[0] if entry else self.ask(CREATE_GROUP, "example")[0]
        print(f"others join group {group_id} by the invite code {self.ask(GET_INVITE, group_id)[1]}")
        return group_id, len(self.ask(LIST_MEMBERS, group_id)[2])


def packed(number: int, size: int = 8) -> bytes:
    return number.to_bytes(size, "big")


def prefixed(text: bytes) -> bytes:
    return packed(len(text), 1) + text


def drawn(seed: bytes, total_fen: int, shares: int, least: int, most: int) -> list[int]:
    """All shares of a lucky packet in fen, in the order of opening: section 10 of the protocol."""
    found: list[int] = []
    for index in range(shares - 1):
        left, k = total_fen - sum(found), shares - index
        digest = hmac.digest(seed, packed(index, 4), "sha256")
        n, r = int.from_bytes(digest[:16], "big"), int.from_bytes(digest[16:], "big")
        m = (2 * left + r % k) // k
        low, high = max(least, m - most), min(most, m - least)
        found.append(low + n % (high - low + 1))
    return [*found, total_fen - sum(found)]


def verify(proof: list[Any], promised: bytes, roots: dict[int, bytes], my_seed: bytes) -> list[str]:
    """What is wrong with the proof of a lucky packet: `roots` were told before the send, `promised` at the send."""
    packet_id, kind, _, sender_id, total_fen, shares, most, commitment, seed, _, claims, least = proof[:12]
    seed_index, client_seed, server_seed, path, root = proof[12:17]
    here, place = sha256(b"\0" + server_seed).digest(), seed_index % 64
    for neighbour in path:
        here, place = sha256(b"\1" + (neighbour + here if place & 1 else here + neighbour)).digest(), place >> 1
    terms = prefixed(kind.encode()) + packed(total_fen) + packed(shares, 4) + packed(least) + packed(most)
    mixed = packed(sender_id) + packed(seed_index) + prefixed(client_seed) + terms
    checks = {
        "the server seed is not in the tree that the server told before": here == root == roots[seed_index // 64],
        "the client seed is not the one that was sent": client_seed == my_seed,
        "the packet's seed does not follow from both": seed == hmac.digest(server_seed, mixed, "sha256"),
        "the commitment is another one than at the send": commitment == promised
        and commitment == sha256(b"hongbao commitment 2" + seed + packed(packet_id) + terms).digest(),
        "the shares do not follow from the seed": [claim[2] for claim in claims]
        == drawn(seed, total_fen, shares, least, most)[: len(claims)],
    }
    return [wrong for wrong, holds in checks.items() if not holds]


def shown(amount_fen: int, unit: list[Any]) -> str:
    """An amount in the unit of the server: 888 is 8.88 yuan, or 888 points."""
    _, name, _, decimals = unit
    whole, rest = divmod(amount_fen, 10**decimals)
    return f"{whole}.{rest:0{decimals}} {name}" if decimals else f"{whole} {name}"


def main(host: str, port: str, token: str, entry: str = "") -> None:
    """From the login to the verified packet."""
    with socket.create_connection((host, int(port))) as connected:
        client = Client(connected)
        user_id, balance_fen, *others = client.login(token)
        unit = others[3] if len(others) > 3 else ["元", "yuan", "¥", 2]  # an older server names none
        print(f"logged in as user {user_id} with {shown(balance_fen, unit)}")
        group_id, members = client.enter(entry)
        print(f"in group {group_id}, members: {members}")
        roots = dict(client.ask(GET_SEED_TREES)[1])  # what the server promised before it knew this packet
        shares, my_seed = min(members, 5), secrets.token_bytes(16)
        key = secrets.token_hex(16)  # the same request with the same key is the same packet: a retry is safe
        terms = (key, "lucky", group_id, 100, shares, "恭喜发财，大吉大利", my_seed)
        packet_id, _, commitment, *_ = client.ask(SEND_PACKET, *terms)
        print(f"sent packet {packet_id}: {shown(100, unit)}, shares: {shares}")
        _, answer, ticket, *_ = client.ask(GRAB, packet_id)
        print(f"grabbed it: {answer}")
        if answer == "ticket":
            _, answer, amount_fen, _, left_shares, *_ = client.ask(OPEN, packet_id, ticket)
            print(f"opened it: {answer}, {shown(amount_fen, unit)}; shares left: {left_shares}", flush=True)
        # the claim is durable now; the money reaches the wallet a moment later, with a push
        print(f"the wallet holds {shown(client.ask(GET_BALANCE)[0], unit)}")
        # until the last share is opened, the refusal is `not_finished`: the seed is secret
        wrong = verify(client.ask(REVEAL, packet_id), commitment, roots, my_seed)
        if wrong:
            sys.exit("; ".join(wrong))
        print("verified: every share follows from the seeds")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
