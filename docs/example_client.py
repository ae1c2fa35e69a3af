"""A client of hongbao that needs only the standard library and `msgpack`. The protocol is in protocol.md.

    python docs/example_client.py HOST PORT TOKEN [GROUP_ID]

Logs in, joins the group or makes one, sends a packet of 1.00 yuan, grabs it and opens it. The token's user needs
1.00 yuan in the wallet.
"""

from __future__ import annotations

import hmac
import secrets
import socket
import struct
import sys
from typing import Any

import msgpack

GOODBYE, PING, PONG, REFUSED = 2, 3, 4, 200
LOGIN, CREATE_GROUP, JOIN_GROUP, LIST_MEMBERS, SEND_PACKET, GRAB, OPEN, GET_BALANCE = 10, 11, 12, 14, 20, 21, 22, 24
PUSHES = {60: "text", 61: "packet", 62: "claim", 63: "packet finished", 64: "refund", 65: "balance changed"}


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
        self.seq += 1
        self.write(kind, self.seq, *fields)
        while (reply := self.read())[1] != self.seq:
            print(f"  push: {PUSHES.get(reply[0], 'unknown')} {reply[2:]}")
        if reply[0] == REFUSED:
            sys.exit(f"refused: {reply[3]} {reply[6]}")
        return reply[2:]

    def login(self, token: str) -> list[Any]:
        """Prove that we have the secret part of the token without sending it: sign the hello's nonce with it."""
        _, _, _, nonce, *_ = self.read()
        user_id, *issued_at_s, expires_at_s, key_id, mac = token.split(".")  # version 1 has no time of issue
        proof = hmac.digest(bytes.fromhex(mac), nonce, "sha256")
        return self.ask(LOGIN, int(user_id), int(expires_at_s), key_id, proof, [], *map(int, issued_at_s))


def yuan(amount_fen: int) -> str:
    return f"{amount_fen // 100}.{amount_fen % 100:02}"


def main(host: str, port: str, token: str, group: str = "") -> None:
    """From the login to the opened packet, in this group or in a new one."""
    with socket.create_connection((host, int(port))) as connected:
        client = Client(connected)
        user_id, balance_fen, *_ = client.login(token)
        print(f"logged in as user {user_id} with {yuan(balance_fen)} yuan")
        group_id = client.ask(JOIN_GROUP, int(group))[0] if group else client.ask(CREATE_GROUP, "example")[0]
        _, _, members, *_ = client.ask(LIST_MEMBERS, group_id)
        print(f"in group {group_id}, members: {len(members)}")
        shares = min(len(members), 5)
        key = secrets.token_hex(16)  # the same request with the same key is the same packet: a retry is safe
        packet_id, *_ = client.ask(SEND_PACKET, key, "lucky", group_id, 100, shares, "恭喜发财，大吉大利")
        print(f"sent packet {packet_id}: 1.00 yuan, shares: {shares}")
        _, answer, ticket, *_ = client.ask(GRAB, packet_id)
        print(f"grabbed it: {answer}")
        if answer == "ticket":
            _, answer, amount_fen, _, left_shares, *_ = client.ask(OPEN, packet_id, ticket)
            print(f"opened it: {answer}, {yuan(amount_fen)} yuan; shares left: {left_shares}")
        # the claim is durable now; the money reaches the wallet a moment later, with a push
        print(f"the wallet holds {yuan(client.ask(GET_BALANCE)[0])} yuan")


if __name__ == "__main__":
    if len(sys.argv) not in (4, 5):
        sys.exit(__doc__)
    main(*sys.argv[1:])
