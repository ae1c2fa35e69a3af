// A client of hongbao over WebSocket, without dependencies, for browsers and Node 22 or newer. The protocol is in
// protocol.md; its section 12 is about WebSocket.
//
//     node docs/example_client.mjs ws://HOST:PORT TOKEN [INVITE]     (Node 20: node --experimental-websocket …)
//
// As a program it logs in, joins the group of an invite code (or makes a group), sends a packet of 1.00 yuan, grabs it
// and opens it. In a page: `import { Client } from "./example_client.mjs"`.

const HELLO = 1, GOODBYE = 2, PING = 3, PONG = 4, LOGIN = 10, WELCOME = 110, REFUSED = 200;
const CREATE_GROUP = 11, JOIN_GROUP = 12, SEND_PACKET = 20, GRAB = 21, OPEN = 22, GET_INVITE = 43;
const TRIES = 10; // of a request whose refusals are temporary

// --- MessagePack --------------------------------------------------------------------------------------------------
// Integers beyond 2^53 are BigInt: ids and tickets need 63 bits. Compare and send them as they came.

const utf8 = new TextEncoder();
const text = new TextDecoder("utf-8", { fatal: true });

// Any form of an integer is allowed: here one byte, or nine.
function integer(bytes, value) {
  if (value >= 0 && value < 128 && Number.isInteger(Number(value))) return bytes.push(Number(value));
  const nine = new DataView(new ArrayBuffer(9));
  nine.setUint8(0, value < 0 ? 0xd3 : 0xcf);
  nine.setBigUint64(1, BigInt(value)); // throws for a number with a fraction
  return bytes.push(...new Uint8Array(nine.buffer));
}

function head(bytes, size, fixed, fixedMax, tag16) {
  if (size <= fixedMax) bytes.push(fixed | size);
  else if (size < 65536) bytes.push(tag16, size >> 8, size & 0xff);
  else throw new RangeError(`${size} is more than a request may hold`);
}

function append(bytes, value) {
  if (value === null || value === undefined) bytes.push(0xc0);
  else if (typeof value === "boolean") bytes.push(value ? 0xc3 : 0xc2);
  else if (typeof value === "number" || typeof value === "bigint") integer(bytes, value);
  else if (typeof value === "string") {
    const encoded = utf8.encode(value);
    head(bytes, encoded.length, 0xa0, 31, 0xda);
    bytes.push(...encoded);
  } else if (value instanceof Uint8Array) {
    head(bytes, value.length, 0, -1, 0xc5);
    bytes.push(...value);
  } else if (Array.isArray(value)) {
    head(bytes, value.length, 0x90, 15, 0xdc);
    for (const item of value) append(bytes, item);
  } else throw new TypeError(`${value} has no place in a request`);
}

export function encode(message) {
  const bytes = [];
  append(bytes, message);
  return Uint8Array.from(bytes);
}

class Reader {
  at = 0;
  constructor(bytes) { this.bytes = bytes; }

  take(size) {
    if (this.at + size > this.bytes.length) throw new RangeError("the message ends too early");
    this.at += size;
    return this.at - size;
  }

  unsigned(size) {
    let value = 0n;
    for (let at = this.take(size), end = at + size; at < end; at++) value = (value << 8n) | BigInt(this.bytes[at]);
    return value;
  }

  string(size) {
    const at = this.take(size);
    return text.decode(this.bytes.subarray(at, at + size));
  }

  array(size) { return Array.from({ length: size }, () => this.value()); }
  map(size) { return Object.fromEntries(Array.from({ length: size }, () => [this.value(), this.value()])); }

  value() {
    const tag = this.bytes[this.take(1)];
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.map(tag & 15);
    if (tag < 0xa0) return this.array(tag & 15);
    if (tag < 0xc0) return this.string(tag & 31);
    if (tag >= 0xe0) return tag - 256;
    if (tag === 0xc0) return null;
    if (tag === 0xc2 || tag === 0xc3) return tag === 0xc3;
    if (tag >= 0xcc && tag <= 0xcf) return narrow(this.unsigned(1 << (tag - 0xcc)));
    if (tag >= 0xd0 && tag <= 0xd3) {
      const size = 1 << (tag - 0xd0);
      return narrow(BigInt.asIntN(8 * size, this.unsigned(size)));
    }
    if (tag >= 0xd9 && tag <= 0xdb) return this.string(Number(this.unsigned(1 << (tag - 0xd9))));
    if (tag === 0xdc || tag === 0xdd) return this.array(Number(this.unsigned(tag === 0xdc ? 2 : 4)));
    if (tag === 0xde || tag === 0xdf) return this.map(Number(this.unsigned(tag === 0xde ? 2 : 4)));
    if (tag >= 0xc4 && tag <= 0xc6) {
      const size = Number(this.unsigned(1 << (tag - 0xc4)));
      const at = this.take(size);
      return this.bytes.slice(at, at + size);
    }
    throw new TypeError(`0x${tag.toString(16)} has no place in a message`);
  }
}

function narrow(big) {
  const isSafe = big >= BigInt(Number.MIN_SAFE_INTEGER) && big <= BigInt(Number.MAX_SAFE_INTEGER);
  return isSafe ? Number(big) : big;
}

export function decode(bytes) {
  return new Reader(bytes).value();
}

// --- the client ---------------------------------------------------------------------------------------------------

export class Refused extends Error {
  constructor([code, name, isTemporary, retryAfterMs, detail]) {
    super(`refused: ${name} ${detail}`.trim());
    Object.assign(this, { code, name, isTemporary, retryAfterMs });
  }
}

export class Ended extends Error {} // `canReconnect` says if a new connection may help

export class Client {
  // Connect and log in; `onPush` gets each push as [kind, seq, ...fields]. Rejects with Ended.
  static async connect(url, token, onPush = () => {}) {
    const client = new Client(url, token, onPush);
    await client.#ready;
    return client;
  }

  #socket; #token; #onPush; #ready; #resolve; #reject;
  #seq = 0;
  #waiting = new Map(); // seq to the request that waits for its reply
  #goodbye = null;

  constructor(url, token, onPush) {
    this.#token = token;
    this.#onPush = onPush;
    this.#ready = new Promise((resolve, reject) => { this.#resolve = resolve; this.#reject = reject; });
    this.ended = new Promise((resolve) => { this.whenEnded = resolve; });
    this.#socket = new WebSocket(url, "hongbao.v1");
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onmessage = ({ data }) => this.#take(decode(new Uint8Array(data))).catch(this.#fail);
    this.#socket.onclose = ({ code, reason }) => this.#end(code, reason);
  }

  #send(...message) { this.#socket.send(encode(message)); }
  #fail = (error) => { this.#reject(error); this.close(); }; // a token, or a message, that cannot be read

  async #take(message) {
    const [kind, seq, ...fields] = message;
    if (kind === HELLO) await this.#login(fields[1]);
    else if (kind === PING) this.#send(PONG, seq);
    else if (kind === GOODBYE) this.#goodbye = { code: fields[0], name: fields[1], canReconnect: fields[2] };
    else if (kind === WELCOME) {
      [this.userId, this.balanceFen, this.chats] = fields;
      this.#resolve();
    } else if (seq === 0) this.#onPush(message);
    else {
      const { resolve, reject } = this.#waiting.get(seq) ?? {};
      this.#waiting.delete(seq);
      if (kind === REFUSED) reject?.(new Refused(fields));
      else resolve?.(fields);
    }
  }

  // The token's secret part never travels: it signs the nonce of the hello. crypto.subtle exists on https pages only,
  // and on those of localhost.
  async #login(nonce) {
    const [userId, issuedAtS, expiresAtS, keyId, mac] = this.#token.split(".");
    const secret = Uint8Array.from(mac.match(/../g), (digits) => parseInt(digits, 16));
    const algorithm = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", secret, algorithm, false, ["sign"]);
    const proof = new Uint8Array(await crypto.subtle.sign("HMAC", key, nonce));
    this.#send(LOGIN, 0, Number(userId), Number(expiresAtS), keyId, proof, [], Number(issuedAtS));
  }

  #end(code, reason) {
    const why = this.#goodbye ?? { code, name: reason || "the connection was closed", canReconnect: true };
    const error = Object.assign(new Ended(`${why.code} ${why.name}`), why);
    this.#reject(error);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    this.whenEnded(error);
  }

  // Send a request; the fields of its reply. What is refused for a while is sent again: requests with a key may be.
  async ask(kind, ...fields) {
    for (let left = TRIES; ; left--) {
      try {
        return await this.#askOnce(kind, fields);
      } catch (error) {
        if (!error.isTemporary || left === 1) throw error;
        await new Promise((resolve) => setTimeout(resolve, error.retryAfterMs));
      }
    }
  }

  #askOnce(kind, fields) {
    return new Promise((resolve, reject) => {
      if (this.#socket.readyState !== WebSocket.OPEN) throw new Ended("the connection was closed");
      this.#waiting.set(++this.#seq, { resolve, reject });
      this.#send(kind, this.#seq, ...fields);
    });
  }

  async createGroup(name) { return (await this.ask(CREATE_GROUP, name))[0]; }
  async joinGroup(invite) { return (await this.ask(JOIN_GROUP, 0, invite))[0]; }
  async invite(groupId) { return (await this.ask(GET_INVITE, groupId))[1]; }
  // The same key is the same packet. Amounts follow from seeds of server and client: docs/verify.py checks them.
  async sendLucky(groupId, amountFen, shares, greeting = "", key = crypto.randomUUID()) {
    const seed = crypto.getRandomValues(new Uint8Array(16));
    return (await this.ask(SEND_PACKET, key, "lucky", groupId, amountFen, shares, greeting, seed))[0];
  }

  // The answer of the grab if it is final (`claimed`, `gone`, …), else that of the open. A busy packet is grabbed again.
  async grabAndOpen(packetId) {
    for (;;) {
      const [, grabbed, ticket, , amountFen, , retryAfterMs] = await this.ask(GRAB, packetId);
      if (grabbed === "busy") await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
      else if (grabbed !== "ticket") return { answer: grabbed, amountFen };
      else {
        const [, answer, won] = await this.ask(OPEN, packetId, ticket);
        return { answer, amountFen: won };
      }
    }
  }

  close() { this.#socket.close(1000); }
}

async function main(url, token, invite) {
  const client = await Client.connect(url, token, (push) => console.log("  push:", ...push));
  console.log(`logged in as user ${client.userId} with ${client.balanceFen} fen`);
  const group = invite ? await client.joinGroup(invite) : await client.createGroup("example");
  const packet = await client.sendLucky(group, 100, 1);
  const { answer, amountFen } = await client.grabAndOpen(packet);
  console.log(`packet ${packet} in group ${group}: ${answer}, ${amountFen} fen`);
  client.close();
}

const argv = globalThis.process?.argv ?? [];
if (argv[1] && import.meta.url.endsWith(encodeURI(argv[1]))) {
  if (argv.length < 4 || !globalThis.WebSocket) console.error("Node ≥ 22: example_client.mjs ws://HOST:PORT TOKEN [INVITE]");
  else await main(...argv.slice(2)).catch((error) => { console.error(error.message); process.exitCode = 1; });
}
