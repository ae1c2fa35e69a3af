"""Bodies of the calls to a host wallet, and what its replies prove. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from protocol.undecodable import UNDECODABLE
from server.core.payments import Evidence, Order, Verdict
from server.core.signed_requests import (
    KEY_HEADER,
    MAC,
    NONCE_HEADER,
    REPLY_SCHEME,
    SIGNATURE_HEADER,
    TIMESTAMP,
    TIMESTAMP_HEADER,
    WINDOW_S,
    SignedContent,
    SignedHeaders,
    mac_of,
    same,
)
from server.gateways.port import Unproven

DETAIL_MAX: Final = 200
RESULTS: Final = {
    "succeeded": Verdict.SUCCEEDED,
    "failed": Verdict.FAILED,
    "not_found": Verdict.NOT_FOUND,
    "processing": Verdict.UNKNOWN,
}


class CallBody(msgspec.Struct, frozen=True):
    """The body of a call. Ids are strings, as in the HTTP API."""

    number: str
    kind: str
    user_id: str
    amount_fen: int


class ReplyBody(msgspec.Struct, frozen=True):
    """The body of a reply: the order again, and what has become of it."""

    number: str
    kind: str
    user_id: str
    amount_fen: int
    result: str
    reason: str = ""


def body_of(order: Order) -> bytes:
    """The body of each call about an order."""
    return msgspec.json.encode(CallBody(str(order.number), order.kind, str(order.user_id), order.amount_fen))


def verify(
    keys: Mapping[str, bytes], headers: Mapping[str, str], nonce: str, content: SignedContent, now_s: float
) -> None:
    """Raise Unproven unless a reply is signed for the request with this nonce, now.

    The nonce of the request is used once, so a reply to another request, and a repeated one, does not fit.
    """
    key_id, stamp = headers.get(KEY_HEADER, ""), headers.get(TIMESTAMP_HEADER, "")
    told, mac = headers.get(NONCE_HEADER, ""), headers.get(SIGNATURE_HEADER, "")
    if not (TIMESTAMP.fullmatch(stamp) and MAC.fullmatch(mac)):
        raise Unproven("the reply is not signed")
    if key_id not in keys:
        raise Unproven("the reply is signed with an unknown key")
    if told != nonce:
        raise Unproven("the reply is for another request")
    if abs(now_s - int(stamp)) > WINDOW_S:
        raise Unproven(f"the time of the reply is more than {WINDOW_S} seconds from that of the server")
    claim = SignedHeaders(key_id, int(stamp), told, mac)
    if not same(mac_of(keys[key_id], claim, content, REPLY_SCHEME), mac):
        raise Unproven("the signature of the reply does not fit")


def evidence_of(source: str, order: Order, body: bytes) -> Evidence:
    """What a signed reply says about an order."""
    try:
        reply = msgspec.json.decode(body, type=ReplyBody)
    except UNDECODABLE:
        return Evidence(source, Verdict.UNKNOWN, "the reply is not the JSON that was expected")
    verdict = RESULTS.get(reply.result)
    if verdict is None:
        return Evidence(source, Verdict.UNKNOWN, f"unknown result {_shown(reply.result)!r}")
    if verdict is Verdict.NOT_FOUND and source != "query":
        return Evidence(source, Verdict.UNKNOWN, "not found is the answer to a query only")
    if reply.number != str(order.number):
        return Evidence(source, Verdict.UNKNOWN, f"the reply is about number {_shown(reply.number)}")
    said = (reply.kind, reply.user_id, reply.amount_fen)
    if verdict is not Verdict.NOT_FOUND and said != (order.kind, str(order.user_id), order.amount_fen):
        kind, user_id = _shown(reply.kind), _shown(reply.user_id)
        detail = f"{reply.result}: {kind} of {reply.amount_fen}, user {user_id}; asked was another one"
        return Evidence(source, Verdict.CONTRADICTORY, _shown(detail))
    return Evidence(source, verdict, _shown(reply.reason))


def _shown(text: str) -> str:
    """A text of the other side, short and printable."""
    return "".join(one if one.isprintable() else "?" for one in text[:DETAIL_MAX])
