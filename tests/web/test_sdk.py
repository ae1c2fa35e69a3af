"""The TypeScript SDK in Node: every vector of the wire, the proofs, and its promises about gaps and keys."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import msgpack
import pytest
from playwright.async_api import Browser

from protocol import messages
from tests.conftest import Connect, Server
from tests.web.conftest import ALICE, BEN, SDK, VECTORS
from tests.web.wire_table import TARGET, is_id, written
from tests.websocket.test_example_client import run_node, websocket_url
from tests.wire.test_example_client import token

MESSAGES = VECTORS["messages"]
POOLS = json.loads((Path(__file__).parents[1] / "vectors" / "pools.json").read_text("utf-8"))
SEEDS = json.loads((Path(__file__).parents[1] / "vectors" / "seeds.json").read_text("utf-8"))


async def script(body: str, text: str = "", *arguments: str) -> Any:
    """What a script with the SDK prints, as JSON; `input` is what it is given."""
    head = f"""
    import * as sdk from {json.dumps(SDK.as_uri())};
    const input = {"await new Response(process.stdin).text()" if text else '""'};
    const plain = (_, one) => typeof one === "bigint" ? `${{one}}n` : one;
    const print = (value) => console.log(JSON.stringify(value, plain));
    """
    ended = await run_node("--input-type=module", "-e", head + body, "--", *arguments, text=text)
    assert ended.errors == ""
    return json.loads(ended.output)


def test_table_of_messages_is_that_of_the_protocol() -> None:
    assert TARGET.read_text("utf-8") == written(), "run: python -m tests.web.wire_table"


def test_ids_of_the_document_are_ids_of_the_table() -> None:
    text = (TARGET.parents[4] / "docs" / "protocol.md").read_text("utf-8")
    told: dict[tuple[str, str], str] = {}
    for name, body in re.findall(r"^#### (\w+) · \d+\n(.*?)(?=^#)", text, re.MULTILINE | re.DOTALL):
        for field, kind in re.findall(r"^\| `(\w+)` \| ([^|,]+?)(?:,[^|]*)? \|", body, re.MULTILINE):
            told["RecordLine" if name == "RecordsShown" else name, field] = kind
    assert len(told) > 200
    for (name, field), kind in told.items():
        if kind in ("id", "stream", "id or user", "user or id"):
            assert is_id(name, field), (name, field)
        elif kind in ("user", "list of user", "fen", "ms"):
            assert not is_id(name, field), (name, field)


READ_AND_WRITTEN = """(frames) => {
  const codec = new sdk.Codec(sdk.USER_MESSAGES, sdk.BACKEND_MESSAGES);
  return frames.map((frame) => {
    const message = codec.decode(sdk.fromHex(frame).slice(4));
    return [message.kind, sdk.toHex(codec.encode(message.kind, message.seq, message))];
  });
}"""
IMPORT = """async (text) => {
  window.sdk = await import(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
}"""
FRAMES = [one["frame"] for one in MESSAGES]


def check_written(read: list[tuple[str, str]]) -> None:
    """Each vector was read as its message, and written as it is."""
    for vector, (name, payload) in zip(MESSAGES, read, strict=True):
        assert name == vector["message"]
        frame = vector["frame"][8:]
        if len(payload) == len(frame):
            assert payload == frame, name
        else:  # an older client leaves out fields at the end
            full, short = msgpack.unpackb(bytes.fromhex(payload)), msgpack.unpackb(bytes.fromhex(frame))
            assert full[: len(short)] == short, name


async def test_every_vector_is_read_and_written_byte_for_byte() -> None:
    check_written(await script(f"print(({READ_AND_WRITTEN})(JSON.parse(input)));", json.dumps(FRAMES)))


@pytest.mark.long
async def test_every_vector_is_read_and_written_in_a_browser_as_well(chromium: Browser) -> None:
    page = await (await chromium.new_context()).new_page()
    await page.evaluate(IMPORT, SDK.read_text("utf-8"))
    check_written(await page.evaluate(READ_AND_WRITTEN, FRAMES))


async def test_integers_of_63_bits_and_the_shortest_forms() -> None:
    numbers = [0, 1, 31, 32, 127, 128, 255, 256, 65535, 65536, 2**31, 2**32, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1]
    values: list[Any] = [*numbers, *(-number for number in numbers if number <= 2**31)]
    values += ["a" * size for size in (0, 31, 32, 255, 256, 70_000)] + [[0] * 15, [0] * 16, None, True, False]
    packed = [msgpack.packb(value).hex() for value in values]
    assert packed == await script(
        "print(JSON.parse(input).map((one) => sdk.toHex(sdk.pack(sdk.unpack(sdk.fromHex(one))))));",
        json.dumps(packed),
    )


@pytest.mark.parametrize("payload", ["", "93", "ca00000000", "c1", "92a1ff00", "9200", "9f" * 40, "020202"])
async def test_bytes_that_are_no_message_are_an_error(payload: str) -> None:
    body = """
    const codec = new sdk.Codec(sdk.USER_MESSAGES);
    try { print(String(codec.decode(sdk.fromHex(input.trim())))); } catch (error) { print("error"); }
    """
    assert await script(body, payload + "\n") == "error"


async def test_newer_servers_are_understood() -> None:
    """Elements after the last known field, messages of an unknown kind, alone and in a list."""
    body = """
    const codec = new sdk.Codec(sdk.USER_MESSAGES);
    print(JSON.parse(input).map((one) => codec.decode(sdk.fromHex(one))));
    """
    caught = [116, 7, 2**60, 2, False, [[199, 0, 1], [60, 0, 2**60, 2, 5, 1, "hi", "more"]], "more"]
    payloads = [msgpack.packb(one).hex() for one in ([999, 0, "new"], [4, 9, "more"], caught)]
    unknown, pong, page = await script(body, json.dumps(payloads))
    assert unknown is None
    assert pong == {"kind": "Pong", "seq": 9}
    assert [one["text"] for one in page["messages"]] == ["hi"]


async def test_proof_of_a_login_and_hashes() -> None:
    login = VECTORS["login_2"]
    body = """
    const one = JSON.parse(input);
    const made = sdk.Token.parse(one.token).login(sdk.fromHex(one.nonce), ["reminders"]);
    const long = new TextEncoder().encode("0123456789".repeat(100));
    print([sdk.toHex(made.proof), made.issued_at_s, sdk.toHex(sdk.sha256(long)), sdk.toHex(sdk.hmac(long, long))]);
    """
    long = b"0123456789" * 100
    assert await script(body, json.dumps(login)) == [
        login["proof"],
        login["issued_at_s"],
        hashlib.sha256(long).hexdigest(),
        hmac.digest(long, long, "sha256").hex(),
    ]


def revealed(seeds: Any, **changes: Any) -> bytes:
    """The proof of a packet of the vectors of which all shares are opened."""
    claims = [messages.packets.ClaimLine(at, 20 + at, fen, 1) for at, fen in enumerate(seeds["amounts_fen"])]
    hexes = {
        name: bytes.fromhex(seeds[name]) for name in ("commitment", "seed", "client_seed", "server_seed", "root")
    }
    same = {name: seeds[name] for name in ("packet_id", "sender_id", "total_fen", "shares", "seed_index")}
    bounds = {name: seeds[name] for name in ("share_fen_min", "share_fen_max")}
    fields = {
        "packet_kind": seeds["kind"],
        "state": "finished",
        "best_index": seeds["best_index"],
        "claims": claims,
    }
    path = [bytes.fromhex(one) for one in seeds["path"]]
    return messages.encode(messages.Revealed(1, **{**hexes, **same, **bounds, **fields, "path": path, **changes}))


async def test_proofs_of_the_vectors_hold_and_each_forged_one_fails_at_its_step() -> None:
    first = SEEDS[0]
    [*claims] = msgpack.unpackb(revealed(first))[12]
    lines = [messages.packets.ClaimLine(*one) for one in claims]
    lines[1].amount_fen, lines[2].amount_fen = lines[1].amount_fen + 1, lines[2].amount_fen - 1
    forged = {
        "root": {"root": bytes(32)},
        "seed": {"client_seed": bytes(16)},
        "commitment": {"commitment": bytes(32)},
        "shares": {"claims": lines},
        "best": {"best_index": (first["best_index"] + 1) % 5},
    }
    proofs = [revealed(one) for one in SEEDS] + [revealed(first, **changes) for changes in forged.values()]
    body = """
    const codec = new sdk.Codec(sdk.USER_MESSAGES);
    print(JSON.parse(input).map((one) => {
      const told = codec.decode(sdk.fromHex(one));
      return [sdk.sharesOf(told), sdk.stepsOf(told).filter((step) => !step.fits).map((step) => step.name)];
    }));
    """
    found = await script(body, json.dumps([one.hex() for one in proofs]))
    for seeds, (shares, faults) in zip(SEEDS, found, strict=False):
        assert (shares, faults) == (seeds["amounts_fen"], []), seeds["about"]
    assert [faults for _, faults in found[len(SEEDS) :]] == [[name] for name in forged]


def revealed_pool(pool: Any, **changes: Any) -> bytes:
    """The proof of a campaign of the vectors, with all its wins."""
    hexes = {
        name: bytes.fromhex(pool[name]) for name in ("commitment", "seed", "client_seed", "server_seed", "root")
    }
    bounds = {name: pool[name] for name in ("share_fen_min", "share_fen_max", "total_fen", "seed_index")}
    fields = {
        "packet_id": pool["campaign_id"],
        "packet_kind": pool["kind"],
        "sender_id": pool["sponsor_id"],
        "shares": pool["numbers"],
        "state": "finished",
        "best_index": -1,
        "claims": [messages.packets.ClaimLine(number, 20, fen, 1) for number, fen in pool["wins"]],
        "path": [bytes.fromhex(one) for one in pool["path"]],
        "deck": pool["deck"].encode(),
    }
    return messages.encode(messages.Revealed(1, **{**hexes, **bounds, **fields, **changes}))


async def test_proofs_of_campaigns_hold_and_each_forged_one_fails_at_its_step() -> None:
    first = POOLS[0]
    number, fen = first["wins"][0]
    line = messages.packets.ClaimLine
    forged: list[tuple[list[str], dict[str, Any]]] = [
        (["root"], {"root": bytes(32)}),
        (["seed"], {"client_seed": bytes(16)}),
        (["commitment"], {"commitment": bytes(32)}),
        (["shares"], {"claims": [line(number, 20, fen + 1, 1)]}),
        (["shares"], {"claims": [line(number, 20, fen, 1), line(number, 20, fen, 2)]}),  # won twice
        (["shares"], {"claims": [line(first["numbers"], 20, fen, 1)]}),  # no such number
        (["deck"], {"deck": first["deck"].replace("200 299", "201 299").encode(), "claims": []}),
        (["deck"], {"deck": b"hongbao deck 2\n", "claims": []}),
        (["deck", "shares"], {"deck": b"hongbao deck 1\ndraws 9 1 5 2\n"}),  # amounts that do not fit each other
    ]
    proofs = [revealed_pool(one) for one in POOLS] + [revealed_pool(first, **changes) for _, changes in forged]
    body = """
    const codec = new sdk.Codec(sdk.USER_MESSAGES);
    print(JSON.parse(input).map((one) => {
      const told = codec.decode(sdk.fromHex(one));
      return sdk.stepsOf(told).filter((step) => !step.fits).map((step) => step.name);
    }));
    """
    found = await script(body, json.dumps([one.hex() for one in proofs]))
    for pool, faults in zip(POOLS, found, strict=False):
        assert faults == [], pool["about"]
    assert found[len(POOLS) :] == [names for names, _ in forged]


async def test_commitment_of_a_campaign_that_was_told_while_it_ran_is_compared_with_its_proof() -> None:
    body = """
    const codec = new sdk.Codec(sdk.USER_MESSAGES);
    const told = codec.decode(sdk.fromHex(input));
    const running = { campaign_id: told.packet_id, commitment: told.commitment, state: "running" };
    const checked = (...lines) => {
      const kept = new sdk.KeptSeeds();
      lines.forEach((line) => kept.campaignTold(line));
      const { isFair, contradictions, unproven } = kept.check(told);
      return [isFair, contradictions, unproven];
    };
    const other = { ...running, commitment: new Uint8Array(32) };
    print([checked(running, other), checked(other, running), checked({ ...running, state: "ended" })]);
    """
    assert await script(body, revealed_pool(POOLS[0]).hex()) == [
        [True, [], []],
        [False, ["commitment"], []],
        [True, [], ["campaign_not_told"]],
    ]


async def test_gaps_are_found_and_filled_once() -> None:
    body = """
    const gaps = new sdk.StreamGaps([[5n, 2]]);
    const post = (message) => ({ kind: "TextPosted", stream_id: 5n, message });
    const page = (last_message, messages, reload = false) => ({ stream_id: 5n, last_message, reload, messages });
    const seen = [];
    gaps.welcomed({ user_id: 1, places: [{ stream_id: 5n, last_message: 2 }] });
    seen.push(gaps.pushed(post(3)), gaps.pushed(post(3)), gaps.pushed(post(6)), [...gaps.lagging().values()]);
    seen.push(gaps.caughtUp(page(6, [post(3), post(4), post(5)])).length, gaps.pushed(post(7)));
    seen.push(gaps.caughtUp(page(7, [post(5), post(6), post(7)])).length);
    seen.push(gaps.lagging().size, gaps.pushed(post(8)));
    gaps.welcomed({ user_id: 1, places: [{ stream_id: 5n, last_message: 4 }] });  // the books were restored
    seen.push([...gaps.lagging().values()], gaps.caughtUp(page(4, [])).length, [...gaps.positions.values()]);
    print(seen);
    """
    assert await script(body) == [True, False, False, [3], 2, False, 2, 0, True, [8], 0, [4, 0]]


async def test_keys_outlive_a_tab_that_was_ended_and_two_sends_at_once_are_two() -> None:
    body = """
    const stored = new Map();
    const storage = { getItem: (name) => stored.get(name) ?? null, setItem: (name, one) => stored.set(name, one) };
    const content = new Uint8Array([1, 2, 3]);
    const first = new sdk.IdempotencyKeys(7, storage);
    const [one, two] = [first.take(content), first.take(content)];
    first.settle(two);
    const second = new sdk.IdempotencyKeys(7, storage);  // the tab was ended before the reply to the first
    const again = second.take(content);
    second.keep(again);
    const retry = second.take(content);
    second.settle(retry);
    print([one !== two, again === one, retry === one, second.take(content) !== one,
      new sdk.IdempotencyKeys(8, storage).take(content) !== one]);
    """
    assert await script(body) == [True] * 5


async def test_keys_of_two_tabs_stand_beside_each_other_and_end_in_both() -> None:
    body = """
    const stored = new Map();
    const storage = { getItem: (name) => stored.get(name) ?? null, setItem: (name, one) => stored.set(name, one) };
    const [rent, tea] = [new Uint8Array([1]), new Uint8Array([2])];
    const [tab, other] = [new sdk.IdempotencyKeys(7, storage), new sdk.IdempotencyKeys(7, storage)];
    const asked = tab.take(rent);
    other.settle(other.take(tea));  // another tab has stored, too
    tab.keep(asked);
    const third = new sdk.IdempotencyKeys(7, storage);
    const again = third.take(rent);
    third.settle(again);  // it has paid there: the next rent is another one
    const next = tab.take(rent);
    const now = Date.now;
    tab.keep(next);
    Date.now = () => now() + 3_600_001;
    print([again === asked, next !== asked, tab.take(rent) !== next]);
    """
    assert await script(body) == [True] * 3


async def test_two_clients_send_open_and_prove(server: Server, connect: Connect, family: int) -> None:
    body = """
    const [url, alice, ben, group] = process.argv.slice(-4);
    const [one, two] = [new sdk.Client(url, alice), new sdk.Client(url, ben)];
    await Promise.all([one.connect(), two.connect()]);
    const pushed = new Promise((done) => two.on("PacketPosted", done));
    await one.packets.seedTrees();
    const sent = await one.packets.send("lucky", BigInt(group), 888, 2, "hi");
    const push = await pushed;
    const opened = [await two.packets.open(push.packet_id), await one.packets.open(push.packet_id)];
    const { verdict } = await one.client?.packets ?? await one.patiently(() => one.packets.verify(sent.packet_id));
    const refused = await two.ask("Kick", { group_id: BigInt(group), user_id: 1 }).catch((error) => error.reason);
    print([push.packet_id === sent.packet_id, opened.map((one) => one.answer),
      opened.reduce((sum, one) => sum + one.amount_fen, 0), verdict.isFair, verdict.unproven, refused,
      one.money.symbol, two.userId]);
    one.close(); two.close();
    """
    body = body.replace("await one.client?.packets ?? ", "")
    arguments = (websocket_url(server), token(ALICE), token(BEN), str(family))
    assert await script(body, "", *arguments) == [True, ["won", "won"], 888, True, [], "not_owner", "¥", BEN]


async def test_client_comes_back_after_its_connection_is_lost_and_receives_what_it_missed(
    server: Server, connect: Connect, family: int
) -> None:
    body = """
    const [url, token, group] = process.argv.slice(-3);
    const client = new sdk.Client(url, token);
    await client.connect();
    const heard = [];
    client.on("TextPosted", (post) => heard.push(post.text));
    const online = new Promise((done) => client.on("online", done));
    client.drop();
    const said = client.say(BigInt(group), "one");  // it waits for the next connection
    await online;
    await said;
    await client.say(BigInt(group), "two");
    while (heard.length < 2) await sdk.sleep(5);
    print([heard, client.reconnects]);
    client.close();
    """
    arguments = (websocket_url(server), token(ALICE), str(family))
    assert await script(body, "", *arguments) == [["one", "two"], 1]


async def test_login_that_is_refused_ends_the_client(server: Server) -> None:
    body = """
    const [url, token] = process.argv.slice(-2);
    const client = new sdk.Client(url, token);
    const why = await client.connect().catch((error) => [error.constructor.name, error.code, error.reason]);
    const asked = await client.cards.wallet().catch((error) => error.reason);
    print([why, asked]);
    """
    wrong = token(ALICE)[:-2] + "00"
    told = await script(body, "", websocket_url(server), wrong)
    assert told == [["ConnectionRefusedForGood", 3503, "login_refused"], "login_refused"]


# A server in the script: sockets that open at once, greet, and answer as told; the clock is the test's.
FAKE = """
import { mock } from "node:test";
mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
const codec = new sdk.Codec(sdk.USER_MESSAGES);
const settled = async () => { for (let turn = 0; turn < 50; turn++) await Promise.resolve(); };
const ahead = async (ms) => { mock.timers.tick(ms); await settled(); };
const sockets = [];
let places = [];
class Socket {
  readyState = 1; sent = []; isClosed = false;
  constructor() { sockets.push(this); queueMicrotask(() => this.greet()); }
  tell(kind, seq, fields) { this.onmessage?.({ data: codec.encode(kind, seq, fields).slice().buffer }); }
  greet() {
    const limits = {}, nonce = new Uint8Array(16), durability = "postgres", now_ms = 0;
    const hello = { version: 2, ping_interval_ms: 25000, pong_timeout_ms: 8000, limits, nonce, durability, now_ms };
    this.tell("Hello", 0, hello);
    this.tell("Welcome", 0, { user_id: 7, balance_fen: 0, places, balance_version: 0 });
  }
  send(bytes) { this.sent.push(codec.decode(new Uint8Array(bytes))); }
  asked(kind) { return this.sent.filter((one) => one.kind === kind); }
  close() { this.isClosed = true; this.readyState = 3; }
}
const token = `7.1.9999999999.k.${"ab".repeat(32)}`;
const openSocket = () => new Socket();
const stored = new Map();
const storage = { getItem: (name) => stored.get(name) ?? null, setItem: (name, one) => stored.set(name, one) };
const make = (options = {}) => new sdk.Client("ws://x", token, { openSocket, ...options });
"""


async def fake(body: str) -> Any:
    """What a script with the clock and the server in its hands prints."""
    return await script(FAKE + body)


async def test_silent_connection_is_given_up_and_tells_nothing_more() -> None:
    told = await fake("""
    const client = make(), heard = [], states = [];
    for (const one of ["online", "offline"]) client.on(one, () => states.push(one));
    client.on("BalanceChanged", (push) => heard.push(push.balance_fen));
    client.connect(); await settled();
    const changed = (fen) => ({ balance_fen: fen, change_fen: 1, reason: "claim", version: 0 });
    sockets[0].tell("BalanceChanged", 0, changed(1));
    await ahead(34_000); sockets[0].tell("Ping", 9, {}); await settled();
    await ahead(34_000);  // it said something 34 s ago
    const early = sockets.length;
    await ahead(1_001); await ahead(200);
    sockets[0].tell("BalanceChanged", 0, changed(2));  // the old socket wakes up
    sockets[1].tell("BalanceChanged", 0, changed(3));
    print([early, sockets.length, sockets[0].isClosed, sockets[0].asked("Pong").length, heard, states]);
    process.exit();
    """)
    assert told == [1, 2, True, 1, [1, 3], ["online", "offline", "online"]]


async def test_page_that_becomes_visible_probes_and_does_not_wait_for_a_timer() -> None:
    told = await fake("""
    const client = make();
    client.connect(); await settled();
    await ahead(10_000); client.wake(); await settled();
    const probes = sockets[0].asked("Ping").length;
    sockets[0].tell("Pong", 0, {}); await ahead(3_100);
    const alive = sockets.length;
    client.wake(); await ahead(3_100); await ahead(200);  // no pong: another connection
    print([probes, alive, sockets.length]);
    process.exit();
    """)
    assert told == [1, 1, 2]


async def test_pause_doubles_is_shortened_at_random_and_a_goodbye_may_lengthen_it() -> None:
    told = await fake("""
    const dead = [], waits = [];
    const client = make({ openSocket: () => { const one = { close() {} }; dead.push(one); return one; } });
    client.connect().catch(() => {});
    for (let turn = 0; turn < 8; turn++) {
      const count = dead.length;
      dead.at(-1).onclose({ code: 1006, reason: "" });
      let waited = 0;
      while (dead.length === count) { await ahead(10); waited += 10; }
      waits.push(waited);
    }
    print(waits);
    process.exit();
    """)
    for at, waited in enumerate(told):
        longest = min(100 * 2**at, 5_000)
        assert longest / 2 <= waited <= longest + 10


async def test_requests_are_sent_again_except_those_that_would_take_effect_twice() -> None:
    told = await fake("""
    const client = make(); client.connect(); await settled();
    const ends = {};
    const end = (name, how) => { ends[name] = how; };
    const watch = (name, asked) => asked.then(() => end(name, "reply"), (error) => end(name, error.message));
    watch("say", client.say(5n, "hi"));
    watch("wallet", client.cards.wallet());
    watch("send", client.packets.send("lucky", 5n, 100, 2));
    client.drop(); await settled();
    await ahead(200);
    const again = sockets[1].sent.map((one) => one.kind).filter((kind) => kind !== "Login");
    const [first, second] = sockets.map((one) => one.asked("SendPacket")[0]);
    const same = first.key === second.key && sdk.toHex(first.client_seed) === sdk.toHex(second.client_seed);
    sockets[1].tell("Balance", sockets[1].asked("GetBalance")[0].seq, { balance_fen: 5 });
    await settled(); await ahead(10_000);
    print([again, same, ends.say.length > 0, ends.wallet, ends.send]);
    process.exit();
    """)
    assert told == [["GetBalance", "SendPacket"], True, True, "reply", "no reply to SendPacket"]


async def test_send_that_timed_out_keeps_its_key_and_a_refusal_ends_it() -> None:
    told = await fake("""
    const client = make(); client.connect(); await settled();
    const send = () => client.packets.send("lucky", 5n, 100, 2).catch((error) => error.reason ?? "timed out");
    const keys = () => sockets.flatMap((one) => one.asked("SendPacket")).map((one) => one.key);
    const ends = [];
    for (let turn = 0; turn < 3; turn++) {
      const sent = send(); await settled();
      if (turn === 1) {
        const { seq } = sockets.at(-1).asked("SendPacket").at(-1);
        const why = { code: 306, name: "not_enough_money", temporary: false, retry_after_ms: 0, detail: "" };
        sockets.at(-1).tell("Refused", seq, why);
      } else {
        for (let turn = 0; turn < 11; turn++) {
          sockets.at(-1).tell("Ping", 1, {});
          await ahead(1_000);
        }
      }
      ends.push(await sent);
    }
    const [first, second, third] = keys();
    print([ends, first === second, second !== third]);
    process.exit();
    """)
    assert told == [["timed out", "not_enough_money", "timed out"], True, True]


async def test_key_of_a_send_in_doubt_is_kept_by_what_says_nothing_of_it() -> None:
    """A password that is none is refused before the key is looked for; a login that ends says nothing either."""
    told = await fake("""
    let client = make({ storage }); client.connect(); await settled();
    const why = (error) => error.reason ?? error.name;
    const send = (password = "135790") =>
      client.packets.send("lucky", 5n, 100, 2, "", { cardId: 9n, password }).catch(why);
    const keys = () => sockets.flatMap((one) => one.asked("SendPacket")).map((one) => one.key);
    const refuse = async (code, name, detail) => {
      const { seq } = sockets.at(-1).asked("SendPacket").at(-1);
      sockets.at(-1).tell("Refused", seq, { code, name, temporary: false, retry_after_ms: 0, detail });
      await settled();
    };
    const ends = [], asked = [send()];
    await settled();
    await ahead(10_000);  // its reply is lost
    asked.push(send("13579")); await settled();
    await refuse(617, "password_needed", "a pay password has six digits");
    asked.push(send(135790)); await settled();  // not even a text
    asked.push(send()); await settled();
    const goodbye = { code: 3503, name: "login_refused", detail: "", reconnect: false, reconnect_after_ms: 0 };
    sockets.at(-1).tell("Goodbye", 0, goodbye);
    sockets.at(-1).onclose({ code: 3503, reason: "" });
    await settled();
    client = make({ storage }); client.connect(); await settled();
    asked.push(send()); await settled();
    await refuse(306, "not_enough_money", "");
    asked.push(send()); await settled();
    for (const one of asked.slice(0, 5)) ends.push(await one);
    const sent = keys();
    print([ends, sent.map((one) => one === sent[0])]);
    process.exit();
    """)
    assert told == [
        ["Error", "password_needed", "Error", "login_refused", "not_enough_money"],
        [True, True, True, True, False],
    ]


async def test_request_that_cannot_be_written_is_refused_here_and_does_not_break_the_next_login() -> None:
    told = await fake("""
    const client = make(); client.connect(); await settled();
    client.drop(); await settled();  // requests wait for the next connection
    const half = client.packets.send("lucky", 5n, 0.5, 2, "", { key: "k" });
    const wrong = [client.names([2 ** 53]), half, client.say(5n, 7)];
    const names = await Promise.all(wrong.map((one) => one.catch((error) => error.constructor.name)));
    let welcomes = 0;
    client.on("online", () => welcomes++);
    const asked = client.cards.wallet(); await ahead(200);
    sockets[1].tell("Balance", sockets[1].asked("GetBalance")[0].seq, { balance_fen: 5 });
    print([names, welcomes, (await asked).balance_fen]);
    process.exit();
    """)
    assert told == [["MalformedMessage"] * 3, 1, 5]


async def test_clock_that_is_set_back_does_not_keep_a_silent_connection() -> None:
    told = await fake("""
    const client = make();
    client.connect(); await settled();
    await ahead(10_000);
    const now = Date.now;
    Date.now = () => now() - 3_600_000;
    for (let waited = 0; waited < 61_000; waited += 1_000) await ahead(1_000);
    print(sockets.length);
    process.exit();
    """)
    assert told == 2


async def test_what_was_missed_is_fetched_page_by_page_and_told_once() -> None:
    told = await fake("""
    places = [{ stream_id: 5n, name: "g", owner_id: 1, last_message: 4 }];
    const client = make({ positions: [[5n, 1]] });
    const heard = [];
    client.on("push", (push) => heard.push(push.message ?? push.kind));
    client.connect(); await settled();
    const post = (message) =>
      ({ kind: "TextPosted", seq: 0, stream_id: 5n, message, sender_id: 1, at_ms: 0, text: "" });
    const answer = async (last_message, ...numbers) => {
      const { seq } = sockets[0].asked("CatchUp").at(-1);
      sockets[0].tell("CaughtUp", seq, { stream_id: 5n, last_message, reload: false, messages: numbers.map(post) });
      await settled();
    };
    sockets[0].tell("TextPosted", 0, post(5)); await settled();  // newer than what is being fetched
    await answer(5, 2, 3);
    await answer(5, 4, 5);
    sockets[0].tell("TextPosted", 0, post(5)); sockets[0].tell("TextPosted", 0, post(6)); await settled();
    print([heard, sockets[0].asked("CatchUp").map((one) => one.after), client.positions.get(5n)]);
    process.exit();
    """)
    assert told == [[2, 3, 4, 5, 6], [1, 3], 6]
