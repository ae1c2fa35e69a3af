"""Words that are said over HTTP at a server that does not own the packet: the user opens it all the same."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from tests.http_api.client import Api
from tests.http_api.conftest import ADDRESS, Dial, dial
from tests.http_api.test_packets import SEND, family, lucky
from tests.http_api.test_page_link import link_of, say
from tests.peers.conftest import Linked

__all__ = ["dial"]


async def test_words_said_at_any_server_open_the_packet(
    linked: Linked, dial: Dial, books_balance: Callable[[], Awaitable[None]]
) -> None:
    """Of two servers one does not own the packet, and the owner has it in memory from the first open on."""
    apis: list[Api] = [await dial(await linked(http_api__address=ADDRESS)) for _ in range(2)]
    await family(apis[0], *range(1, 10))
    body = {**lucky(1), "kind": "password", "words": "芝麻开门", "shares": 8}
    packet_id = (await apis[0].ok("POST", SEND, body, key="w"))["packet_id"]
    for user_id, api in zip(range(2, 6), apis * 2, strict=True):
        asked = {"user_id": str(user_id), "words": "芝麻开门"}
        assert (await api.ok("POST", f"{SEND}/{packet_id}/open", asked))["answer"] == "won"
    for user_id, api in zip(range(6, 10), apis * 2, strict=True):
        opened = await say(api, await link_of(api, packet_id, user_id), "芝麻开门")
        assert (opened.json["view"], opened.json["answer"]) == ("result", "won")
    await books_balance()
