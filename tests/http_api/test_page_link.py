"""Links to the page of a packet: for one user and packet, for a short time, signed; and what they get over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import pytest

from protocol import passes, tokens
from server.config import load
from server.http_api.page.link import BadLink, LinkClaim, mint, verify
from server.http_api.page.shell import shell
from server.net.addresses import host_and_port
from tests.conftest import API_KEYS, KEYS, Connect, Server, StartServer, Turn
from tests.http_api.client import Answer, Api
from tests.http_api.conftest import ADDRESS, Dial
from tests.http_api.test_packets import SEND, family, lucky
from tests.services.test_outbox import posted

CLAIM = LinkClaim(packet_id=12, user_id=34, issued_at_s=1_000, expires_at_s=1_600)
OLD, NEW = {"old": b"o" * 32}, {"old": b"o" * 32, "new": b"n" * 32}
SHELL_BYTES_MAX, ANSWER_BYTES_MAX = 20 << 10, 1 << 10


def test_link_says_whose_it_is_until_it_expires() -> None:
    link = mint(CLAIM, "old", OLD["old"])
    assert verify(link, OLD.get, 1_599.9) == CLAIM
    with pytest.raises(BadLink, match="expired"):
        verify(link, OLD.get, 1_600)


def test_link_holds_while_keys_are_changed_and_not_once_its_key_is_gone() -> None:
    before, after = mint(CLAIM, "old", NEW["old"]), mint(CLAIM, "new", NEW["new"])
    assert verify(before, NEW.get, 1_100) == verify(after, NEW.get, 1_100) == CLAIM
    with pytest.raises(BadLink, match="not signed"):
        verify(before, {"new": NEW["new"]}.get, 1_100)


@pytest.mark.parametrize("changed", range(6))
def test_link_with_one_part_changed_is_refused(changed: int) -> None:
    parts = mint(CLAIM, "old", OLD["old"]).split(".")
    for other in ("12" if parts[changed] != "12" else "13", "new", "", "ab" * 32, "9" * 40, "-1"):
        forged = ".".join([*parts[:changed], other, *parts[changed + 1 :]])
        with pytest.raises(BadLink):
            verify(forged, NEW.get, 1_100)


def test_tokens_and_passes_are_no_links() -> None:
    key = OLD["old"]
    for other in (tokens.mint(34, 1_600, "old", key, 1_000), passes.mint(12, 34, 1_600, "old", key, 1_000)):
        with pytest.raises(BadLink):
            verify(str(other), OLD.get, 1_100)


# --- over HTTP --------------------------------------------------------------------------------------------------


class Link(NamedTuple):
    """A link, taken apart as the page does it."""

    base: str
    shell: str
    card: dict[str, str]

    def headers(self) -> dict[str, str]:
        return {"Hongbao-Link": self.card["signed"]}


def taken_apart(url: str) -> Link:
    parts = urlsplit(url)
    base, _, name = f"{parts.scheme}://{parts.netloc}{parts.path}".rpartition("/c/")
    return Link(base, name, {key: value for key, [value] in parse_qs(parts.fragment, strict_parsing=True).items()})


async def sent(api: Api, *user_ids: int, **changes: Any) -> str:
    """A packet of user 1 to a group of these users."""
    await family(api, *user_ids)
    packet_id: str = (await api.ok("POST", SEND, {**lucky(1), **changes}, key="p"))["packet_id"]
    return packet_id


async def link_of(api: Api, packet_id: str, user_id: int, language: str = "zh") -> Link:
    body = {"user_id": str(user_id), "language": language}
    return taken_apart((await api.ok("POST", f"{SEND}/{packet_id}/page-link", body))["url"])


async def page_opens(api: Api, link: Link, language: str = "zh") -> Answer:
    return await api.send("POST", f"/c/open?language={language}", b"", link.headers())


async def test_page_opens_its_packet_for_its_user_and_shows_the_result(api: Api) -> None:
    packet_id = await sent(api, 1, 2, 3)
    await api.ok("PUT", "/v1/users/1", {"name": "Ann & co"})
    link = await link_of(api, packet_id, 2)
    assert (link.base, link.shell) == (api.url, shell().name)
    signed = link.card.pop("signed")
    assert link.card == {
        "language": "zh",
        "view": "open",
        "sender": "Ann & co",
        "greeting": "恭喜发财",
        "button": "拆",
    }
    assert signed.startswith(f"{packet_id}.2.")
    link.card["signed"] = signed

    opened = await page_opens(api, link)
    assert (opened.status, opened.json["answer"], opened.json["view"]) == (200, "won", "result")
    [mine] = (await api.ok("GET", f"{SEND}/{packet_id}/claims"))["claims"]
    assert (mine["user_id"], mine["amount_fen"]) == ("2", opened.json["amount_fen"])
    again = await page_opens(api, link)
    assert (again.json["answer"], again.json["amount_fen"]) == ("claimed", mine["amount_fen"])
    shown = await api.send("GET", "/c/result?language=en", b"", link.headers())
    assert shown.json["summary"] == "1 of 2 opened"
    assert [line["name"] for line in shown.json["lines"]] == ["user 2"]
    assert (await link_of(api, packet_id, 2)).card["view"] == "result"


async def test_page_says_whose_turn_it_is_to_send_the_next_one(api: Api, sql: Any) -> None:
    packet_id = await sent(api, 1, 2, 3, shares=1)
    await api.ok("PUT", "/v1/groups/family/relay", {"times": 1})
    await api.ok("PUT", "/v1/users/2", {"name": "Ben"})
    link = await link_of(api, packet_id, 2)
    assert (await page_opens(api, link)).json["answer"] == "won"
    await posted(sql)
    own = await api.send("GET", "/c/result?language=zh", b"", link.headers())
    assert own.json["turn"] == "接龙：轮到你发下一个红包，10.00元"
    for user_id in (1, 3):
        headers = (await link_of(api, packet_id, user_id, "en")).headers()
        seen = await api.send("GET", "/c/result?language=en", b"", headers)
        assert seen.json["turn"] == "Ben · Best luck sends on: the next red packet is to be 10.00 yuan"


async def test_page_is_told_when_to_ask_again_while_another_user_has_the_only_ticket(
    start_server: StartServer, dial: Dial, connect: Connect
) -> None:
    server = await start_server(http_api__address=ADDRESS, limits__tickets_per_share=1)
    api = await dial(server)
    packet_id = await sent(api, 1, 2, 3, shares=1)
    other = await connect(server, 3)
    assert (await other.grab(int(packet_id))).answer == "ticket"
    busy = (await page_opens(api, await link_of(api, packet_id, 2))).json
    assert (busy["answer"], busy["view"], busy["button"]) == ("busy", "open", "拆")
    assert busy["retry_after_ms"] > 0


async def test_link_that_is_forged_late_or_of_another_user_is_refused(api: Api, turn_clock: Turn) -> None:
    packet_id = await sent(api, 1, 2, 3)
    link = await link_of(api, packet_id, 2)
    for_another = link.card["signed"].replace(f"{packet_id}.2.", f"{packet_id}.3.")
    for signed in ("", "rubbish", for_another, link.card["signed"][:-2] + "00"):
        refused = await api.send("POST", "/c/open", b"", {"Hongbao-Link": signed})
        assert (refused.status, refused.code, refused.json["temporary"]) == (401, "bad_link", False)
    bearer = {"Authorization": f"Bearer api.{API_KEYS['api'].hex()}"}
    assert (await api.send("POST", "/c/open", b"", bearer)).code == "bad_link"
    turn_clock(570_000)
    assert (await api.send("GET", "/c/result", b"", link.headers())).code == "not_allowed"  # not opened yet
    turn_clock(601_000)
    late = await page_opens(api, link)
    assert (late.status, late.code) == (401, "bad_link")
    turn_clock(0)
    assert (await api.ok("GET", f"{SEND}/{packet_id}"))["opened"] == 0


async def test_link_is_made_only_for_users_who_may_see_the_packet_and_ends_with_ban_and_revocation(
    api: Api, turn_clock: Turn
) -> None:
    packet_id = await sent(api, 1, 2, 3)
    for path, user_id in ((packet_id, "9"), ("1", "2")):
        refused = await api("POST", f"{SEND}/{path}/page-link", {"user_id": user_id})
        assert (refused.status, refused.code) == (403, "not_allowed")
    banned, revoked = await link_of(api, packet_id, 2), await link_of(api, packet_id, 3)
    await api.ok("POST", "/v1/users/2/ban")
    assert (await page_opens(api, banned)).code == "banned"
    assert (await api("POST", f"{SEND}/{packet_id}/page-link", {"user_id": "2"})).code == "banned"
    turn_clock(2_000)
    await api.ok("POST", "/v1/users/3/revoke-tokens")
    assert (await page_opens(api, revoked)).code == "bad_link"
    assert (await page_opens(api, await link_of(api, packet_id, 3))).json["answer"] == "won"


async def test_keys_of_links_are_changed_without_a_gap(api: Api, server: Server) -> None:
    packet_id = await sent(api, 1, 2, 3)
    before = await link_of(api, packet_id, 2)
    login = server.app.services.login
    login.use({**KEYS, "next": b"the key that comes next"}, 0)
    after = await link_of(api, packet_id, 3)
    assert after.card["signed"].split(".")[4] == "next"
    assert [(await page_opens(api, one)).json["answer"] for one in (before, after)] == ["won", "won"]
    login.use({"next": b"the key that comes next"}, 0)
    assert (await page_opens(api, before)).code == "bad_link"
    assert (await page_opens(api, after)).json["answer"] == "claimed"


async def test_links_lead_to_the_configured_url_which_a_reload_changes(
    start_server: StartServer, dial: Dial
) -> None:
    server = await start_server(http_api__address=ADDRESS, http_api__page_url="https://h.example/packets")
    api = await dial(server)
    packet_id = await sent(api, 1, 2)
    assert (await link_of(api, packet_id, 2)).base == "https://h.example/packets"
    changed = {"http_api.address": ADDRESS, "http_api.page_url": "https://i.example", "http_api.page_link_s": 60}
    server.app.http_api.apply(load(None, changed, environment={}), API_KEYS, None)
    link = await link_of(api, packet_id, 2)
    issued, expires = map(int, link.card["signed"].split(".")[2:4])
    assert (link.base, expires - issued) == ("https://i.example", 60)


# --- sizes and caching --------------------------------------------------------------------------------------------


async def raw_answer(url: str, request: str) -> bytes:
    """All bytes of an answer, its head included."""
    reader, writer = await asyncio.open_connection(*host_and_port(url.removeprefix("http://")))
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_shell_is_small_strict_and_kept_under_its_own_name_only(api: Api) -> None:
    for name, kept in ((shell().name, "public, max-age=31536000, immutable"), ("0" * 16, "no-store")):
        head, _, page = (
            await raw_answer(api.url, f"GET /c/{name}?from=chat HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        ).partition(b"\r\n\r\n")
        assert page == shell().body
        assert len(head) + len(page) <= SHELL_BYTES_MAX
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        assert headers["Cache-Control"] == kept
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Content-Security-Policy"].startswith("default-src 'none'; connect-src 'self'; ")
        assert "unsafe" not in headers["Content-Security-Policy"]
    assert b"http" not in re.sub(rb"httpEquiv", b"", shell().body)  # it leads nowhere else
    assert (await api.send("POST", f"/c/{shell().name}", b"", {})).status == 405


@pytest.mark.parametrize("language", ["zh", "en"])
async def test_answers_to_the_page_are_small_however_many_claims_with_long_names_there_are(
    api: Api, language: str
) -> None:
    users = range(1, 23)
    packet_id = await sent(api, *users, amount_fen=10_000, shares=21, greeting='"\\' * 64)
    links = {}
    for user_id in users:
        await api.ok("PUT", f"/v1/users/{user_id}", {"name": f"{user_id:02}{chr(34) * 62}"})
        links[user_id] = await link_of(api, packet_id, user_id, language)
    sizes = []
    for user_id in users:
        signed = links[user_id].card["signed"]
        request = (
            f"POST /c/open?language={language} HTTP/1.1\r\nHost: h\r\nHongbao-Link: {signed}\r\n"
            "Content-Length: 0\r\nConnection: close\r\n\r\n"
        )
        answer = await raw_answer(api.url, request)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        sizes.append(len(answer))
    assert max(sizes) <= ANSWER_BYTES_MAX
    shown = (await api.send("GET", f"/c/result?language={language}", b"", links[1].headers())).json
    best = max((await api.ok("GET", f"{SEND}/{packet_id}/claims"))["claims"], key=lambda one: one["amount_fen"])
    assert shown["lines"][0]["mark"] == {"zh": "手气最佳", "en": "Best luck"}[language]
    assert shown["lines"][0]["name"].startswith(f"{int(best['user_id']):02}")
    assert (len(shown["lines"]) > 2, shown["more"]) == (True, True)


async def say(api: Api, link: Link, words: str, language: str = "zh") -> Answer:
    headers = {**link.headers(), "Content-Type": "application/json"}
    return await api.send("POST", f"/c/say?language={language}", json.dumps({"words": words}).encode(), headers)


async def test_words_are_said_by_the_page_once_and_open_the_packet(api: Api) -> None:
    packet_id = await sent(api, 1, 2, 3, kind="password", words="芝麻开门", shares=2)
    link = await link_of(api, packet_id, 2)
    assert (link.card["view"], link.card["say"], "button" in link.card) == ("words", "说出口令", False)
    refused = await page_opens(api, link)
    assert (refused.status, refused.code) == (403, "words_needed")
    for words, line in (
        ("sesame", "口令不对，还可以试4次"),
        ("", "口令只有一行，没有这么长"),
        ("长" * 21, "口令只有一行，没有这么长"),
    ):
        answer = await say(api, link, words)
        assert answer.json == {"view": "words", "line": line, "say": "说出口令"}
    opened = await say(api, link, "芝麻开门")
    assert (opened.json["view"], opened.json["answer"]) == ("result", "won")
    for answer in (await say(api, link, "芝麻开门"), await page_opens(api, link)):
        assert (answer.json["answer"], answer.json["amount_fen"]) == ("claimed", opened.json["amount_fen"])


async def test_words_of_another_packet_or_user_are_refused_as_an_open_is(api: Api) -> None:
    packet_id = await sent(api, 1, 2, 3, kind="password", words="芝麻开门")
    link = await link_of(api, packet_id, 2)
    forged = link.card["signed"].replace(f"{packet_id}.2.", f"{packet_id}.3.")
    headers = {"Hongbao-Link": forged, "Content-Type": "application/json"}
    body = json.dumps({"words": "芝麻开门"}).encode()
    refused = await api.send("POST", "/c/say", body, headers)
    assert (refused.status, refused.code) == (401, "bad_link")
    await api.ok("POST", "/v1/users/2/ban")
    assert (await say(api, link, "芝麻开门")).code == "banned"
