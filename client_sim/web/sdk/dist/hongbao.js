class ClientError extends Error {
  temporary = false;
  retryAfterMs = 0;
}
class MalformedMessage extends ClientError {
}
class MalformedToken extends ClientError {
  constructor() {
    super("a token must look like user.issued.expiry.key-id.mac");
  }
}
class TimedOut extends ClientError {
  temporary = true;
}
class ConnectionLost extends ClientError {
  constructor(message, retryAfterMs = 0) {
    super(message);
    this.retryAfterMs = retryAfterMs;
  }
  temporary = true;
}
class ConnectionRefusedForGood extends ClientError {
  constructor(code, reason, detail) {
    super(`${code} ${reason}: ${detail}`);
    this.code = code;
    this.reason = reason;
  }
}
class ClientClosed extends ClientError {
  constructor() {
    super("the client was closed");
  }
}
class Refusal extends ClientError {
  code;
  reason;
  temporary;
  retryAfterMs;
  detail;
  constructor(refused) {
    super(refused.detail ? `${refused.name}: ${refused.detail}` : refused.name);
    this.code = refused.code;
    this.reason = refused.name;
    this.temporary = refused.temporary;
    this.retryAfterMs = refused.retry_after_ms;
    this.detail = refused.detail;
  }
  /** Of code_wrong, password_wrong and words_wrong: the attempts left. */
  get attemptsLeft() {
    return lastNumber(this.detail);
  }
  /** Of password_locked: until when no password is accepted, in ms since 1970. */
  get lockedUntilMs() {
    return lastNumber(this.detail);
  }
}
const SAY_NOTHING = ["key_reused", "password_needed", "needs_tls"];
function isOutcome(error) {
  return error instanceof Refusal && !error.temporary && !SAY_NOTHING.includes(error.reason);
}
function isRefused(error, ...reasons) {
  return error instanceof Refusal && reasons.includes(error.reason);
}
function lastNumber(text) {
  return Number(/(\d+)\D*$/.exec(text)?.[1] ?? 0);
}
class Backoff {
  constructor(firstMs, mostMs) {
    this.firstMs = firstMs;
    this.mostMs = mostMs;
    this.nextMs = firstMs;
  }
  nextMs;
  /** How long to wait now; the next wait is about twice as long. */
  delayMs() {
    const delay = this.nextMs * (0.5 + Math.random() / 2);
    this.nextMs = Math.min(2 * this.nextMs, this.mostMs);
    return delay;
  }
  /** The last attempt succeeded. */
  reset() {
    this.nextMs = this.firstMs;
  }
}
function sleep(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
async function patiently(ask, patienceMs) {
  const giveUpAt = performance.now() + patienceMs;
  const backoff = new Backoff(10, 500);
  for (; ; ) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ClientError) || !error.temporary) throw error;
      const waitMs = error.retryAfterMs + backoff.delayMs();
      if (performance.now() + waitMs > giveUpAt) throw error;
      await sleep(waitMs);
    }
  }
}
class CardRequests {
  constructor(client) {
    this.client = client;
  }
  /** My balance, and what is arriving. */
  wallet() {
    return this.client.ask("GetBalance", {});
  }
  /** My cards, and what I can pay with. */
  all() {
    return this.client.ask("GetCards", {});
  }
  /** Offer a card: its bank sends a code. Not repeated. */
  bind(number2, holder, phone) {
    return this.client.ask("BindCard", { number: number2, holder, phone });
  }
  /** Confirm a card with the code; `password`: a new one, or the present one. Not repeated. */
  async confirm(challengeId, code, password) {
    return (await this.client.ask("ConfirmCard", { challenge_id: challengeId, code, password })).card;
  }
  /** Another code. Not repeated. */
  sendCodeAgain(challengeId) {
    return this.client.ask("SendCodeAgain", { challenge_id: challengeId });
  }
  async unbind(cardId, password) {
    await this.client.ask("UnbindCard", { card_id: cardId, password });
  }
  async setPassword(password, newPassword) {
    await this.client.ask("SetPassword", { password, new_password: newPassword });
  }
  askPasswordReset(cardId) {
    return this.client.ask("AskPasswordReset", { card_id: cardId });
  }
  async resetPassword(challengeId, code, newPassword) {
    await this.client.ask("ResetPassword", { challenge_id: challengeId, code, new_password: newPassword });
  }
  /** Money from a card into the wallet. */
  topUp(cardId, amountFen, password, key) {
    const fields = { key: "", card_id: cardId, amount_fen: amountFen, password };
    return this.client.askWithKey("TopUpByCard", fields, key);
  }
  /** Money from the wallet to a card. */
  withdraw(cardId, amountFen, password, key) {
    const fields = { key: "", card_id: cardId, amount_fen: amountFen, password };
    return this.client.askWithKey("WithdrawToCard", fields, key);
  }
  /** Money to another user. */
  transfer(userId, amountFen, text, password = "", key) {
    const fields = { key: "", user_id: userId, amount_fen: amountFen, text, password };
    return this.client.askWithKey("Transfer", fields, key);
  }
}
const UTF8$3 = new TextEncoder();
const TEXT = new TextDecoder("utf-8", { fatal: true });
class MalformedBytes extends Error {
}
class Writer {
  bytes = new Uint8Array(256);
  view = new DataView(this.bytes.buffer);
  at = 0;
  /** Room for so many more bytes; where they begin. */
  room(size) {
    const at = this.at;
    this.at += size;
    if (this.at > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.at, 2 * this.bytes.length));
      grown.set(this.bytes);
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return at;
  }
  byte(value) {
    const at = this.room(1);
    this.bytes[at] = value;
  }
  raw(bytes) {
    const at = this.room(bytes.length);
    this.bytes.set(bytes, at);
  }
  /** A tag, then a number of 1, 2, 4 or 8 bytes. */
  tagged(tag, size, value) {
    this.byte(tag);
    const at = this.room(size);
    if (size === 1) this.view.setUint8(at, Number(BigInt.asUintN(8, BigInt(value))));
    else if (size === 2) this.view.setUint16(at, Number(BigInt.asUintN(16, BigInt(value))));
    else if (size === 4) this.view.setUint32(at, Number(BigInt.asUintN(32, BigInt(value))));
    else this.view.setBigUint64(at, BigInt.asUintN(64, BigInt(value)));
  }
  taken() {
    return this.bytes.slice(0, this.at);
  }
}
function writeInteger(writer, value) {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new RangeError(`${value} is not a whole number that a number holds: give a BigInt`);
  }
  if (value >= 0) {
    if (value < 128) writer.byte(Number(value));
    else if (value < 256) writer.tagged(204, 1, value);
    else if (value < 65536) writer.tagged(205, 2, value);
    else if (value < 4294967296) writer.tagged(206, 4, value);
    else writer.tagged(207, 8, value);
  } else if (value >= -32) writer.byte(256 + Number(value));
  else if (value >= -128) writer.tagged(208, 1, value);
  else if (value >= -32768) writer.tagged(209, 2, value);
  else if (value >= -2147483648) writer.tagged(210, 4, value);
  else writer.tagged(211, 8, value);
}
function writeHead(writer, size, fixed, fixedMax, tag8, tag16) {
  if (size <= fixedMax) writer.byte(fixed | size);
  else if (tag8 && size < 256) writer.tagged(tag8, 1, size);
  else if (size < 65536) writer.tagged(tag16, 2, size);
  else writer.tagged(tag16 + 1, 4, size);
}
function write(writer, value) {
  if (value === null) writer.byte(192);
  else if (typeof value === "boolean") writer.byte(value ? 195 : 194);
  else if (typeof value === "number" || typeof value === "bigint") writeInteger(writer, value);
  else if (typeof value === "string") {
    const bytes = UTF8$3.encode(value);
    writeHead(writer, bytes.length, 160, 31, 217, 218);
    writer.raw(bytes);
  } else if (value instanceof Uint8Array) {
    writeHead(writer, value.length, 0, -1, 196, 197);
    writer.raw(value);
  } else if (Array.isArray(value)) {
    writeHead(writer, value.length, 144, 15, 0, 220);
    for (const item of value) write(writer, item);
  } else {
    const entries = Object.entries(value);
    writeHead(writer, entries.length, 128, 15, 0, 222);
    for (const [name, item] of entries) {
      write(writer, name);
      write(writer, item);
    }
  }
}
function pack(value) {
  const writer = new Writer();
  write(writer, value);
  return writer.taken();
}
const DEPTH_MAX = 32;
class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  at = 0;
  depth = 0;
  view;
  get isAtEnd() {
    return this.at === this.bytes.length;
  }
  take(size) {
    const at = this.at;
    this.at += size;
    if (this.at > this.bytes.length) throw new MalformedBytes("the bytes end too early");
    return at;
  }
  /** A number without a sign, of 1, 2 or 4 bytes. */
  size(bytes) {
    const at = this.take(bytes);
    return bytes === 1 ? this.view.getUint8(at) : bytes === 2 ? this.view.getUint16(at) : this.view.getUint32(at);
  }
  signed(bytes) {
    const at = this.take(bytes);
    if (bytes === 1) return this.view.getInt8(at);
    if (bytes === 2) return this.view.getInt16(at);
    return bytes === 4 ? this.view.getInt32(at) : narrow(this.view.getBigInt64(at));
  }
  string(size) {
    const at = this.take(size);
    return TEXT.decode(this.bytes.subarray(at, at + size));
  }
  binary(size) {
    const at = this.take(size);
    return this.bytes.slice(at, at + size);
  }
  array(size) {
    const items = [];
    for (let left = size; left > 0; left--) items.push(this.value());
    return items;
  }
  map(size) {
    const items = /* @__PURE__ */ Object.create(null);
    for (let left = size; left > 0; left--) items[String(this.value())] = this.value();
    return items;
  }
  value() {
    if (++this.depth > DEPTH_MAX) throw new MalformedBytes("nested too deeply");
    const value = this.tagged(this.bytes[this.take(1)]);
    this.depth--;
    return value;
  }
  tagged(tag) {
    if (tag < 128) return tag;
    if (tag < 144) return this.map(tag & 15);
    if (tag < 160) return this.array(tag & 15);
    if (tag < 192) return this.string(tag & 31);
    if (tag >= 224) return tag - 256;
    switch (tag) {
      case 192:
        return null;
      case 194:
      case 195:
        return tag === 195;
      case 196:
      case 197:
      case 198:
        return this.binary(this.size(1 << tag - 196));
      case 204:
      case 205:
      case 206:
        return this.size(1 << tag - 204);
      case 207:
        return narrow(this.view.getBigUint64(this.take(8)));
      case 208:
      case 209:
      case 210:
      case 211:
        return this.signed(1 << tag - 208);
      case 217:
      case 218:
      case 219:
        return this.string(this.size(1 << tag - 217));
      case 220:
      case 221:
        return this.array(this.size(tag === 220 ? 2 : 4));
      case 222:
      case 223:
        return this.map(this.size(tag === 222 ? 2 : 4));
      default:
        throw new MalformedBytes(`0x${tag.toString(16)} has no place in a message`);
    }
  }
}
function narrow(big2) {
  const isSafe = big2 >= BigInt(Number.MIN_SAFE_INTEGER) && big2 <= BigInt(Number.MAX_SAFE_INTEGER);
  return isSafe ? Number(big2) : big2;
}
function unpack(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value();
  if (!reader.isAtEnd) throw new MalformedBytes("bytes follow the value");
  return value;
}
const LEFT_OUT = { MoneyUnit: ["元", "yuan", "¥", 2] };
class Codec {
  byName = /* @__PURE__ */ new Map();
  byKind = /* @__PURE__ */ new Map();
  constructor(...tables) {
    for (const table of tables) {
      for (const [name, [kind, text]] of Object.entries(table)) {
        const row = { name, kind, fields: text ? text.split(" ").map(parsed$1) : [] };
        this.byName.set(name, row);
        if (kind) this.byKind.set(kind, row);
      }
    }
  }
  /** The number that a message of this name begins with. */
  kindOf(name) {
    return this.row(name).kind;
  }
  /** The payload of a message. Throws MalformedMessage. */
  encode(name, seq, fields) {
    const row = this.row(name);
    const elements = this.elements(row, fields);
    try {
      return pack([row.kind, seq, ...elements]);
    } catch (error) {
      if (error instanceof RangeError) throw new MalformedMessage(`${name}: ${error.message}`);
      throw error;
    }
  }
  /** The message in a payload; null if it is newer than this table. Throws MalformedMessage, MalformedBytes. */
  decode(payload) {
    const value = unpack(payload);
    if (!Array.isArray(value) || typeof value[0] !== "number" || typeof value[1] !== "number") {
      throw new MalformedMessage("a message is an array that begins with two whole numbers");
    }
    return this.message(value);
  }
  row(name) {
    const row = this.byName.get(name);
    if (row === void 0) throw new MalformedMessage(`there is no message ${name}`);
    return row;
  }
  message(value) {
    const row = this.byKind.get(value[0]);
    if (row === void 0) return null;
    const message = this.struct(row, value.slice(2));
    return { kind: row.name, seq: value[1], ...message };
  }
  struct(row, elements) {
    const read = {};
    row.fields.forEach((field, at) => {
      const value = at < elements.length ? elements[at] : this.fallback(field, row.name);
      read[field.name] = this.read(field.type, value, `${row.name}.${field.name}`);
    });
    return read;
  }
  elements(row, fields) {
    return row.fields.map((field) => {
      const given = fields[field.name];
      const where = `${row.name}.${field.name}`;
      return given === void 0 ? this.fallback(field, row.name) : this.written(field.type, given, where);
    });
  }
  fallback(field, owner) {
    if (field.fallback === void 0) throw new MalformedMessage(`${owner}.${field.name}: it is missing`);
    const kind = field.type[0];
    if (kind === "{") return LEFT_OUT[field.type.slice(1)] ?? [];
    if (kind === "n" || kind === "i") return Number(field.fallback);
    if (kind === "o") return field.fallback === "true";
    const empty = { "[": [], b: new Uint8Array(), "~": null, "<": {} };
    return kind in empty ? empty[kind] : field.fallback;
  }
  read(type, value, where) {
    const inner = type.slice(1);
    switch (type[0]) {
      case "n":
        if (typeof value === "number") return value;
        break;
      case "i":
        if (typeof value === "number" || typeof value === "bigint") return BigInt(value);
        break;
      case "t":
        if (typeof value === "string") return value;
        break;
      case "b":
        if (value instanceof Uint8Array) return value;
        break;
      case "o":
        if (typeof value === "boolean") return value;
        break;
      case "~":
        return value === null ? null : this.read(inner, value, where);
      case "[":
        if (Array.isArray(value)) return this.list(inner, value, where);
        break;
      case "{":
        if (Array.isArray(value)) return this.struct(this.row(inner), value);
        break;
      case "M":
        if (Array.isArray(value)) return this.message(value);
        break;
      case "<":
        if (isMap(value)) return mapped(value, (item) => this.read(inner, item, where));
    }
    throw new MalformedMessage(`${where}: ${typeof value} in place of ${type}`);
  }
  /** Messages of an unknown kind are left out of a list. */
  list(type, items, where) {
    const read = items.map((item) => this.read(type, item, where));
    return type === "M" ? read.filter((item) => item !== null) : read;
  }
  written(type, given, where) {
    const inner = type.slice(1);
    switch (type[0]) {
      case "[":
        return given.map((item) => this.written(inner, item, where));
      case "<":
        return mapped(given, (item) => this.written(inner, item, where));
      case "~":
        return given === null ? null : this.written(inner, given, where);
      case "{":
        return this.elements(this.row(inner), given);
      case "M": {
        const row = this.row(given.kind);
        return [row.kind, given.seq, ...this.elements(row, given)];
      }
      default:
        this.read(type, given, where);
        return given;
    }
  }
}
function parsed$1(text) {
  const [name, rest] = text.split(":");
  const [type, fallback] = rest.split("=");
  return { name, type, fallback };
}
function isMap(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}
function mapped(from, change) {
  return Object.fromEntries(Object.entries(from).map(([name, item]) => [name, change(item)]));
}
const SEQ_MAX = 2 ** 32 - 1;
const NOT_REPEATABLE = /* @__PURE__ */ new Set([
  "Say",
  "CreateGroup",
  "SendAgain",
  "BindCard",
  "ConfirmCard",
  "SendCodeAgain",
  "SetPassword",
  "AskPasswordReset",
  "ResetPassword"
]);
class PendingRequests {
  constructor(timeoutMs) {
    this.timeoutMs = timeoutMs;
  }
  bySeq = /* @__PURE__ */ new Map();
  // in the order of their numbers
  lastSeq = 0;
  /** Give a request its number; the promise holds its reply. `kind`: that of the request. What cannot be written does not
   * wait here: it would break the login that sends it again. Throws what `encode` throws. */
  add(name, kind, encode) {
    const seq = this.lastSeq = this.lastSeq % SEQ_MAX + 1;
    const payload = encode(seq);
    const reply = new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.fail(seq, new TimedOut(`no reply to ${name}`)), this.timeoutMs);
      this.bySeq.set(seq, { name, seq, payload, kind, resolve, reject, timer });
    });
    return [{ name, seq, payload }, reply];
  }
  /** A reply came, of this kind. If its request has timed out, it is ignored. */
  resolve(message, kind) {
    const pending = this.taken(message.seq);
    if (pending === void 0) return;
    if (message.kind === "Refused") pending.reject(new Refusal(message));
    else if (kind === pending.kind + 100 || message.kind === "Pong") pending.resolve(message);
    else pending.reject(new ClientError(`${message.kind} is not a reply to ${pending.name}`));
  }
  /** The requests whose replies are awaited, oldest first. */
  waiting() {
    return [...this.bySeq.values()];
  }
  /** The connection is lost: fail the requests that must not be sent a second time. */
  failUnrepeatable(error) {
    for (const [seq, pending] of [...this.bySeq]) if (NOT_REPEATABLE.has(pending.name)) this.fail(seq, error);
  }
  /** The client has ended. */
  failAll(error) {
    for (const seq of [...this.bySeq.keys()]) this.fail(seq, error);
  }
  fail(seq, error) {
    this.taken(seq)?.reject(error);
  }
  taken(seq) {
    const pending = this.bySeq.get(seq);
    if (pending !== void 0) clearTimeout(pending.timer);
    this.bySeq.delete(seq);
    return pending;
  }
}
const SUBPROTOCOL = "hongbao.v1";
const REFUSED_FOR_GOOD = 3500;
const QUIET_GRACE_MS = 2e3;
const PROBE_MS = 3e3;
const FEATURES = [
  "reminders",
  "fission",
  "exclusive",
  "password",
  "enterprise",
  "enterprise_lucky",
  "enterprise_equal",
  "relay"
];
class Transport {
  constructor(url, token, codec, handlers, timeoutMs, open) {
    this.token = token;
    this.codec = codec;
    this.handlers = handlers;
    this.quietMs = timeoutMs;
    this.socket = open(url, SUBPROTOCOL);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => this.take(data);
    this.socket.onclose = ({ code, reason }) => this.closed(code, reason);
    this.socket.onerror = () => {
    };
    this.timer = setTimeout(() => this.checkQuiet(), timeoutMs);
  }
  socket;
  hello;
  goodbye;
  isWelcome = false;
  hasEnded = false;
  quietMs;
  receivedAt = Date.now();
  // the clock that goes on while a phone sleeps
  received = 0;
  // messages
  timer;
  sendPayload(payload) {
    if (this.socket.readyState === 1) this.socket.send(payload);
  }
  send(name, seq, fields = {}) {
    this.sendPayload(this.codec.encode(name, seq, fields));
  }
  /** The page is visible again, or a network is back: find out at once whether the connection is alive. */
  probe() {
    if (!this.isWelcome || this.hasEnded) return;
    if (this.silentMs() >= this.quietMs) {
      this.end(new ConnectionLost("nothing was received for too long"));
      return;
    }
    const asked = this.received;
    this.send("Ping", 0);
    setTimeout(() => {
      if (this.received === asked) this.end(new ConnectionLost("no pong after the background"));
    }, PROBE_MS);
  }
  /** Close with a word to the server. */
  close() {
    this.end(new ConnectionLost("closed here"), 1e3);
  }
  /** Forget the socket at once, as a phone that loses its network. */
  drop() {
    this.end(new ConnectionLost("dropped"));
  }
  take(data) {
    if (this.hasEnded) return;
    this.receivedAt = Date.now();
    this.received++;
    let message;
    try {
      message = this.codec.decode(new Uint8Array(data));
    } catch (error) {
      this.end(new ConnectionRefusedForGood(REFUSED_FOR_GOOD, "bad_frame", `from the server: ${error}`));
      return;
    }
    if (message !== null) this.handle(message);
  }
  handle(message) {
    switch (message.kind) {
      case "Hello":
        this.hello = message;
        this.send("Login", 0, this.token.login(message.nonce, FEATURES));
        break;
      case "Ping":
        this.send("Pong", message.seq);
        break;
      case "Goodbye":
        this.goodbye = message;
        break;
      case "Welcome":
        this.welcomed(message);
        break;
      default:
        if (this.isWelcome) {
          if (message.kind !== "Pong" || message.seq) this.handlers.received(message);
        } else this.end(new ConnectionLost(`expected a welcome, received ${message.kind}`));
    }
  }
  welcomed(welcome) {
    const hello = this.hello;
    this.isWelcome = true;
    this.quietMs = hello.ping_interval_ms + hello.pong_timeout_ms + QUIET_GRACE_MS;
    this.handlers.welcomed(this, hello, welcome);
  }
  /** The server pings, so a silent connection is dead even if no error is reported; mobile Safari leaves out the
   * close of a connection that was lost in the background. */
  checkQuiet() {
    const dueInMs = this.quietMs - this.silentMs();
    if (dueInMs > 0) this.timer = setTimeout(() => this.checkQuiet(), dueInMs);
    else this.end(new ConnectionLost(this.isWelcome ? "the server was silent" : "no welcome in time"));
  }
  /** How long nothing was received. A clock that was set back does not make a dead connection live longer. */
  silentMs() {
    const now = Date.now();
    this.receivedAt = Math.min(this.receivedAt, now);
    return now - this.receivedAt;
  }
  closed(code, reason) {
    const { goodbye } = this;
    if (goodbye === void 0 && code < 3e3) {
      this.end(new ConnectionLost(`closed: ${code}`));
      return;
    }
    const why = goodbye?.code ?? code;
    const name = goodbye?.name ?? reason;
    const detail = goodbye?.detail ?? "";
    if (why >= REFUSED_FOR_GOOD && why < 4e3) this.end(new ConnectionRefusedForGood(why, name, detail));
    else this.end(new ConnectionLost(`${why} ${name}`, goodbye?.reconnect_after_ms));
  }
  /** Report the end once, and receive nothing more from this socket: it must not go on beside the next one. */
  end(error, code) {
    if (this.hasEnded) return;
    this.hasEnded = true;
    clearTimeout(this.timer);
    this.socket.onmessage = this.socket.onclose = null;
    try {
      this.socket.close(code);
    } catch {
    }
    this.handlers.lost(error);
  }
}
const BACKOFF_FIRST_MS$1 = 100;
const STABLE_MS = 5e3;
class Connection {
  constructor(endpoint, codec, listener) {
    this.endpoint = endpoint;
    this.codec = codec;
    this.listener = listener;
    this.pending = new PendingRequests(endpoint.timeoutMs);
    this.backoff = new Backoff(BACKOFF_FIRST_MS$1, endpoint.backoffMostMs);
  }
  reconnects = 0;
  pending;
  backoff;
  transport;
  // it may not be welcome yet
  isWelcome = false;
  welcomes = 0;
  welcomedAt = 0;
  retryTimer;
  endReason;
  get isOpen() {
    return this.isWelcome;
  }
  /** Send now, or as soon as there is a connection again. Rejects with MalformedMessage, too. */
  async ask(name, fields) {
    if (this.endReason !== void 0) throw this.endReason;
    const encode = (seq) => this.codec.encode(name, seq, fields);
    const [asked, reply] = this.pending.add(name, this.codec.kindOf(name), encode);
    if (this.isWelcome) this.transport.sendPayload(asked.payload);
    return await reply;
  }
  /** Begin to connect; again is harmless. */
  open() {
    if (this.endReason !== void 0 || this.transport !== void 0) return;
    clearTimeout(this.retryTimer);
    this.retryTimer = void 0;
    const { url, token, timeoutMs, openSocket } = this.endpoint;
    this.transport = new Transport(url, token, this.codec, this, timeoutMs, openSocket);
  }
  /** The page is visible again, or a network is back: do not wait for timers, which sleep in the background. */
  wake() {
    if (this.endReason !== void 0) return;
    if (this.isWelcome) this.transport.probe();
    else if (this.retryTimer !== void 0) {
      this.backoff.reset();
      this.open();
    }
  }
  close() {
    this.finish(new ClientClosed());
    this.transport?.close();
  }
  drop() {
    this.transport?.drop();
  }
  // --- handlers of the transport ---------------------------------------------------------------------------------
  welcomed(transport, hello, welcome) {
    this.reconnects += this.welcomes++ ? 1 : 0;
    this.isWelcome = true;
    this.welcomedAt = Date.now();
    for (const asked of this.pending.waiting()) transport.sendPayload(asked.payload);
    this.listener.welcomed(welcome, hello);
  }
  received(message) {
    if (message.seq) this.pending.resolve(message, this.codec.kindOf(message.kind));
    else this.listener.pushed(message);
  }
  lost(error) {
    this.transport = void 0;
    const wasWelcome = this.isWelcome;
    this.isWelcome = false;
    if (this.endReason !== void 0) return;
    if (error instanceof ConnectionRefusedForGood) {
      this.finish(error);
      return;
    }
    if (wasWelcome) {
      if (Date.now() - this.welcomedAt > STABLE_MS) this.backoff.reset();
      this.pending.failUnrepeatable(error);
      this.listener.lost();
    }
    this.retryTimer = setTimeout(() => this.open(), error.retryAfterMs + this.backoff.delayMs());
  }
  /** End for good, and give the reason to every request. */
  finish(reason) {
    if (this.endReason !== void 0) return;
    this.endReason = reason;
    clearTimeout(this.retryTimer);
    this.pending.failAll(reason);
    this.listener.ended(reason);
  }
}
class StreamGaps {
  streams = /* @__PURE__ */ new Map();
  /** `positions`: the number of the last post that the app has, by stream. */
  constructor(positions = []) {
    for (const [streamId, last] of positions) this.streams.set(streamId, { last, newest: last });
  }
  /** The number of the last post handed on, by stream. */
  get positions() {
    return new Map([...this.streams].map(([streamId, stream]) => [streamId, stream.last]));
  }
  /** The streams with posts that were not handed on, each with the number of the last post that was. */
  lagging() {
    const behind = [...this.streams].filter(([, stream]) => stream.last !== stream.newest);
    return new Map(behind.map(([streamId, stream]) => [streamId, stream.last]));
  }
  /** Follow a stream from here. One that is followed already has at least this many posts. */
  follow(streamId, lastMessage) {
    const stream = this.streams.get(streamId);
    if (stream === void 0) this.streams.set(streamId, { last: lastMessage, newest: lastMessage });
    else stream.newest = Math.max(stream.newest, lastMessage);
  }
  /** Do not follow a stream any longer. */
  forget(streamId) {
    this.streams.delete(streamId);
  }
  /** A login lists this user's streams and their last posts. Other streams are not followed any longer. */
  welcomed(welcome) {
    const listed = /* @__PURE__ */ new Map([[BigInt(welcome.user_id), 0]]);
    for (const place of welcome.places) listed.set(place.stream_id, place.last_message);
    for (const streamId of [...this.streams.keys()]) if (!listed.has(streamId)) this.streams.delete(streamId);
    for (const [streamId, lastMessage] of listed) {
      this.follow(streamId, lastMessage);
      const stream = this.streams.get(streamId);
      if (stream.last > lastMessage) stream.newest = lastMessage;
    }
  }
  /** Whether a pushed post is the next of its stream, to be handed on. If not: a repeat, or after a gap. */
  pushed(post) {
    const stream = this.streams.get(post.stream_id);
    if (stream === void 0) {
      this.streams.set(post.stream_id, { last: post.message, newest: post.message });
      return true;
    }
    const isNext = stream.last === stream.newest && post.message === stream.last + 1;
    stream.newest = Math.max(stream.newest, post.message);
    if (isNext) stream.last = post.message;
    return isNext;
  }
  /** The new posts of a page. After a reload there are none, and the stream goes on where the page says. */
  caughtUp(page) {
    const stream = this.streams.get(page.stream_id);
    if (stream === void 0) return [];
    stream.newest = Math.max(stream.newest, page.last_message);
    if (isReload(page, stream.last)) {
      stream.last = page.last_message;
      return [];
    }
    const fresh = page.messages.filter((post) => post.message > stream.last);
    if (fresh.length) stream.last = fresh.at(-1).message;
    else if (!page.messages.length) stream.last = Math.max(stream.last, page.last_message);
    return fresh;
  }
}
function isReload(page, after) {
  return page.reload || page.last_message < after;
}
const TOLD_MAX = 2e4;
const USER_ID_MAX = BigInt(Number.MAX_SAFE_INTEGER);
class Told {
  told = /* @__PURE__ */ new Set();
  // in their order
  /** Whether the app has not had it yet; from now on it has. */
  isNew(notice) {
    const key = keyOf(notice);
    if (this.told.has(key)) return false;
    this.told.add(key);
    if (notice.kind === "PacketFinished") this.told.add(finishOf(notice.packet_id));
    for (const oldest of this.told) {
      if (this.told.size <= TOLD_MAX) break;
      this.told.delete(oldest);
    }
    return true;
  }
  /** The notices in a reminder that the app has not had. The finish in the inbox of the sender is none if the app has
   * had that of a group: it is the same finish. */
  fresh(reminder) {
    const isInbox = reminder.kind === "FinishReminder" && reminder.stream_id <= USER_ID_MAX;
    if (isInbox && this.told.has(finishOf(reminder.packet_id))) return [];
    return noticesOf(reminder).filter((notice) => this.isNew(notice));
  }
}
const finishOf = (packetId) => `${packetId} finish`;
function keyOf(notice) {
  if (notice.kind === "ClaimNotice") return `${notice.packet_id} ${notice.index}`;
  return notice.kind === "PacketFinished" ? `${notice.packet_id} finish ${notice.stream_id}` : `${notice.packet_id} refund`;
}
function noticesOf(reminder) {
  const { packet_id } = reminder;
  switch (reminder.kind) {
    case "ClaimsReminder":
      return reminder.claims.map(({ user_id, index, amount_fen }) => {
        const left_shares = reminder.shares - index - 1;
        return { kind: "ClaimNotice", seq: 0, packet_id, user_id, index, amount_fen, left_shares };
      });
    case "FinishReminder": {
      const { stream_id, shares, took_ms, best_user_id, best_amount_fen } = reminder;
      const fields = { packet_id, stream_id, shares, took_ms, best_user_id, best_amount_fen };
      return [{ kind: "PacketFinished", seq: 0, ...fields }];
    }
    case "RefundReminder":
      return [{ kind: "PacketRefunded", seq: 0, packet_id, refunded_fen: reminder.refunded_fen }];
  }
}
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MOST_MS = 5e3;
const NUMBERED = /* @__PURE__ */ new Set([
  "TextPosted",
  "PacketPosted",
  "RelayPosted",
  "ClaimsReminder",
  "FinishReminder",
  "RefundReminder"
]);
const POSTS = /* @__PURE__ */ new Set(["TextPosted", "PacketPosted", "RelayPosted"]);
const NOTICES = /* @__PURE__ */ new Set(["ClaimNotice", "PacketFinished", "PacketRefunded"]);
class PushFeed {
  /** `tell` gets each push, in order. `balanceVersion`: of the last change of the wallet that the app has. */
  constructor(ask, tell, positions = [], balanceVersion = void 0) {
    this.ask = ask;
    this.tell = tell;
    this.balanceVersion = balanceVersion;
    this.gaps = new StreamGaps(positions);
  }
  gaps;
  told = new Told();
  isCatchingUp = false;
  isFetchingEntries = false;
  /** A login: what was missed is fetched. */
  welcomed(welcome) {
    this.gaps.welcomed(welcome);
    void this.catchUp();
    void this.fetchEntries(welcome.balance_version);
  }
  /** A push came. A post after a gap is not handed on: the gap is filled, and the post comes with the rest. */
  take(push) {
    if (push.kind === "RemovedFromGroup") this.gaps.forget(push.group_id);
    else if (push.kind === "AddedToGroup") this.gaps.follow(push.group_id, push.last_message);
    else if (push.kind === "BalanceChanged" && !this.isFetchingEntries) {
      this.balanceVersion = Math.max(this.balanceVersion ?? 0, push.version);
    }
    if (!NUMBERED.has(push.kind) || this.gaps.pushed(push)) this.handOn(push);
    void this.catchUp();
  }
  /** All posts of a stream behind number `after`, for the app itself; Reloaded if they are too many. */
  async postsAfter(streamId, after) {
    const posts = [];
    for (; ; ) {
      const page = await this.ask("CatchUp", { stream_id: streamId, after });
      if (isReload(page, after)) return { kind: "Reloaded", stream_id: streamId, last_message: page.last_message };
      const numbered = page.messages;
      posts.push(...numbered.filter((post) => POSTS.has(post.kind)));
      const last = numbered.at(-1);
      if (last === void 0 || last.message >= page.last_message) return posts;
      after = last.message;
    }
  }
  /** The app gets each claim, finish and refund once, live or by its reminder. */
  handOn(push) {
    if (push.kind.endsWith("Reminder")) this.told.fresh(push).forEach(this.tell);
    if (!NOTICES.has(push.kind) || this.told.isNew(push)) this.tell(push);
  }
  /** Page after page until nothing is missing: a client that was away asks one thing at a time. */
  async catchUp() {
    if (this.isCatchingUp || !this.gaps.lagging().size) return;
    this.isCatchingUp = true;
    const backoff = new Backoff(BACKOFF_FIRST_MS, BACKOFF_MOST_MS);
    try {
      for (let lagging = this.gaps.lagging(); lagging.size; lagging = this.gaps.lagging()) {
        for (const [streamId, last] of lagging) {
          const waitMs = await this.fetchPage(streamId, last);
          if (waitMs === void 0) backoff.reset();
          else await sleep(waitMs + backoff.delayMs());
        }
      }
    } catch {
      return;
    } finally {
      this.isCatchingUp = false;
    }
  }
  /** Fetch one page. Undefined if it helped, otherwise the least time to wait before the next. */
  async fetchPage(streamId, last) {
    let page;
    try {
      page = await this.ask("CatchUp", { stream_id: streamId, after: last });
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      if (error instanceof Refusal && !error.temporary) this.gaps.forget(streamId);
      else if (!error.temporary) throw error;
      return error.retryAfterMs;
    }
    const isReloaded = isReload(page, last);
    const fresh = this.gaps.caughtUp(page);
    if (isReloaded) this.tell({ kind: "Reloaded", stream_id: streamId, last_message: page.last_message });
    fresh.forEach((post) => this.handOn(post));
    return fresh.length || isReloaded ? void 0 : 0;
  }
  /** The changes of the wallet up to the version of a welcome, page after page. If the connection is lost meanwhile,
   * the next login goes on behind the last page. */
  async fetchEntries(version) {
    this.balanceVersion ??= version;
    if (this.balanceVersion >= version || this.isFetchingEntries) return;
    this.isFetchingEntries = true;
    try {
      for (let more = true; more; ) {
        const page = await this.ask("GetEntries", { after_version: this.balanceVersion ?? 0 });
        more = page.more;
        const last = page.entries.at(-1);
        if (last === void 0) break;
        this.balanceVersion = last.version;
        this.tell({ kind: "MissedChanges", entries: page.entries });
      }
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
    } finally {
      this.isFetchingEntries = false;
    }
  }
}
const BLOCK_BYTES = 64;
const DIGEST_BYTES = 32;
const [ROUNDS$1, START] = constants();
function constants() {
  const rounds = new Uint32Array(64);
  const start = new Uint32Array(8);
  const fraction = (root) => (root - Math.floor(root)) * 2 ** 32 >>> 0;
  for (let candidate = 2, found = 0; found < 64; candidate++) {
    let isPrime = true;
    for (let factor = 2; factor * factor <= candidate; factor++) isPrime &&= candidate % factor !== 0;
    if (!isPrime) continue;
    if (found < 8) start[found] = fraction(candidate ** (1 / 2));
    rounds[found++] = fraction(candidate ** (1 / 3));
  }
  return [rounds, start];
}
const rotated = (word, by) => word >>> by | word << 32 - by;
function compress(state, words) {
  for (let at = 16; at < 64; at++) {
    const early = words[at - 15];
    const late = words[at - 2];
    const small0 = rotated(early, 7) ^ rotated(early, 18) ^ early >>> 3;
    const small1 = rotated(late, 17) ^ rotated(late, 19) ^ late >>> 10;
    words[at] = words[at - 16] + small0 + words[at - 7] + small1;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let at = 0; at < 64; at++) {
    const large1 = rotated(e, 6) ^ rotated(e, 11) ^ rotated(e, 25);
    const first = h + large1 + (e & f ^ ~e & g) + ROUNDS$1[at] + words[at] | 0;
    const large0 = rotated(a, 2) ^ rotated(a, 13) ^ rotated(a, 22);
    const second = large0 + (a & b ^ a & c ^ b & c) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, d + first | 0, c, b, a, first + second | 0];
  }
  const added = [a, b, c, d, e, f, g, h];
  for (let at = 0; at < 8; at++) state[at] = state[at] + added[at];
}
function sha256(...parts) {
  const message = joined(...parts);
  const padded = new Uint8Array(Math.ceil((message.length + 9) / BLOCK_BYTES) * BLOCK_BYTES);
  padded.set(message);
  padded[message.length] = 128;
  const view = new DataView(padded.buffer);
  view.setBigUint64(padded.length - 8, BigInt(message.length) * 8n);
  const state = START.slice();
  const words = new Uint32Array(64);
  for (let block = 0; block < padded.length; block += BLOCK_BYTES) {
    for (let at = 0; at < 16; at++) words[at] = view.getUint32(block + 4 * at);
    compress(state, words);
  }
  const digest = new DataView(new ArrayBuffer(DIGEST_BYTES));
  state.forEach((word, at) => digest.setUint32(4 * at, word));
  return new Uint8Array(digest.buffer);
}
function hmac(key, ...parts) {
  const block = new Uint8Array(BLOCK_BYTES);
  block.set(key.length > BLOCK_BYTES ? sha256(key) : key);
  const inner = sha256(block.map((byte) => byte ^ 54), ...parts);
  return sha256(block.map((byte) => byte ^ 92), inner);
}
function joined(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
function big(value, bytes) {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(value));
  return new Uint8Array(view.buffer).slice(8 - bytes);
}
function toHex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
function fromHex(text) {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw new RangeError("not hex digits");
  return Uint8Array.from(text.match(/../g) ?? [], (digits) => parseInt(digits, 16));
}
function randomBytes(size) {
  return crypto.getRandomValues(new Uint8Array(size));
}
const STORED_AS = "hongbao.keys";
const STORED_MAX = 100;
const STORED_MS = 36e5;
class IdempotencyKeys {
  // all of them could be stored
  constructor(userId, storage) {
    this.storage = storage;
    this.name = `${STORED_AS}.${userId}`;
  }
  unsettled = [];
  inFlight = /* @__PURE__ */ new Set();
  // of this tab
  name;
  isWritten = true;
  /** The key of an earlier request with this content and an unknown outcome, otherwise a new key. */
  take(content) {
    const digest = toHex(sha256(content));
    this.refresh();
    const kept = this.unsettled.find((one) => one.content === digest && !this.inFlight.has(one.key));
    const key = kept?.key ?? toHex(randomBytes(16));
    this.inFlight.add(key);
    if (kept === void 0) {
      this.unsettled.push({ content: digest, key, atMs: Date.now() });
      this.store();
    }
    return key;
  }
  /** The outcome of the request with this key is unknown: the same content gets it again. */
  keep(key) {
    this.refresh();
    this.inFlight.delete(key);
    this.store();
  }
  /** The outcome of the request with this key is known. */
  settle(key) {
    this.inFlight.delete(key);
    this.refresh();
    this.unsettled = this.unsettled.filter((one) => one.key !== key);
    this.store();
  }
  /** What other tabs have stored and dropped meanwhile; what is too old is forgotten, in this tab as well. */
  refresh() {
    const stored = this.stored();
    const isStored = (one) => stored?.some((other) => other.key === one.key) ?? false;
    const isMine = (one) => stored === void 0 || !this.isWritten || this.inFlight.has(one.key);
    this.unsettled = [...stored ?? [], ...this.unsettled.filter((one) => !isStored(one) && isMine(one))].filter(
      (one) => Date.now() - one.atMs < STORED_MS || this.inFlight.has(one.key)
    );
  }
  /** What is stored; undefined: nothing, or it cannot be read. */
  stored() {
    try {
      const found = JSON.parse(this.storage?.getItem(this.name) ?? "null");
      return Array.isArray(found) ? found : void 0;
    } catch {
      return void 0;
    }
  }
  store() {
    try {
      this.storage?.setItem(this.name, JSON.stringify(this.unsettled.slice(-STORED_MAX)));
      this.isWritten = true;
    } catch {
      this.isWritten = false;
    }
  }
}
const USER_MESSAGES = {
  StreamPosition: [0, "stream_id:i name:t owner_id:n last_message:n"],
  MoneyUnit: [0, "zh:t en:t symbol:t decimals:n"],
  ClaimLine: [0, "index:n user_id:n amount_fen:n at_ms:n"],
  ResultLine: [0, "index:n user_id:n name:t amount_fen:n at_ms:n when:t"],
  ResultPageBody: [0, "packet_kind:t state:t sender_id:n sender_name:t greeting:t amount_fen:n note:t summary:t button:t link:t shows_list:o best_index:n opened:n shares:n claims:[{ResultLine more:o watched:o amount:t= ending:t= best_mark:t= pass_on:t= turn:t= turn_user_id:n= turn_name:t="],
  RecordLine: [0, "packet_id:i packet_kind:t at_ms:n user_id:i name:t amount_fen:n shares:n opened:n state:t is_best:o"],
  GrabStatLine: [0, "user_id:n name:t median_ms:n grabs:n first_places:n sent_packets:n"],
  EntryLine: [0, "version:n at_ms:n reason:t change_fen:n balance_fen:n packet_id:i"],
  StatementLine: [0, "version:n at_ms:n reason:t change_fen:n balance_fen:n packet_id:i packet_kind:t other_id:i other_name:t text:t="],
  SeedTree: [0, "number:n root:b"],
  CardLine: [0, "card_id:i bank:t last4:t holder:t phone:t bound_at_ms:n"],
  WinLine: [0, "amount_fen:n packet_id:i index:n sponsor_id:n sponsor_name:t greeting:t cover:t="],
  CampaignLine: [0, "campaign_id:i name:t sponsor_id:n sponsor_name:t greeting:t cover:t state:t starts_at_ms:n ends_at_ms:n shares:n at_most_left:n left_at_ms:n ask_every:n per_user_limit:n highlighted:o group_id:i commitment:b event_kind:t="],
  ScheduledLine: [0, "packet_id:i packet_kind:t target_id:i total_fen:n shares:n greeting:t send_at_ms:n expires_at_ms:n for_user_ids:[n="],
  Ping: [3, ""],
  Login: [10, "user_id:n expires_at_s:n key_id:t proof:b features:[t= issued_at_s:n="],
  CreateGroup: [11, "name:t"],
  JoinGroup: [12, "group_id:i invite:t="],
  LeaveGroup: [13, "group_id:i"],
  ListMembers: [14, "group_id:i after_user_id:n="],
  Say: [15, "group_id:i text:t"],
  CatchUp: [16, "stream_id:i after:n"],
  SendPacket: [20, "key:t packet_kind:t target_id:i amount_fen:n shares:n greeting:t= client_seed:b= card_id:i= password:t= for_user_ids:[n= words:t= send_at_ms:n="],
  Grab: [21, "packet_id:i"],
  Open: [22, "packet_id:i ticket:i"],
  Reveal: [23, "packet_id:i"],
  OpenPage: [27, "packet_id:i language:t=zh"],
  ResultPage: [28, "packet_id:i language:t=zh before_index:n= watch:o="],
  StopWatching: [29, "packet_id:i"],
  Records: [30, "direction:t year:n= before_at_ms:n= before_packet_id:i="],
  PassOn: [90, "packet_id:i language:t=zh"],
  TapLink: [91, "link:t language:t=zh"],
  SendAgain: [31, "packet_id:i group_id:i="],
  Kick: [32, "group_id:i user_id:n"],
  GrabStats: [33, "group_id:i"],
  SetName: [34, "name:t"],
  GetNames: [35, "user_ids:[n"],
  GetBalance: [24, ""],
  GetEntries: [36, "after_version:n"],
  GetStatement: [48, "before_version:n="],
  GetInvite: [43, "group_id:i renew:o="],
  OpenChat: [45, "user_id:n"],
  ShowPass: [44, "signed:t"],
  GetSeedTrees: [47, ""],
  BindCard: [50, "number:t holder:t phone:t"],
  ConfirmCard: [51, "challenge_id:i code:t password:t"],
  SendCodeAgain: [52, "challenge_id:i"],
  GetCards: [53, ""],
  UnbindCard: [54, "card_id:i password:t"],
  SetPassword: [55, "password:t new_password:t"],
  AskPasswordReset: [56, "card_id:i"],
  ResetPassword: [57, "challenge_id:i code:t new_password:t"],
  TopUpByCard: [58, "key:t card_id:i amount_fen:n password:t="],
  WithdrawToCard: [59, "key:t card_id:i amount_fen:n password:t="],
  Transfer: [72, "key:t user_id:n amount_fen:n text:t= password:t="],
  Shake: [80, "campaign_id:i"],
  CampaignInfo: [81, "campaign_id:i language:t=zh"],
  ListCampaigns: [82, "before_campaign_id:i="],
  SayWords: [75, "packet_id:i words:t"],
  GetScheduled: [76, ""],
  CancelScheduled: [77, "packet_id:i"],
  SetRelay: [78, "group_id:i times:n"],
  GetRelay: [79, "group_id:i"],
  Pong: [4, ""],
  Hello: [1, "version:n nonce:b durability:t ping_interval_ms:n pong_timeout_ms:n now_ms:n limits:<n"],
  Goodbye: [2, "code:n name:t reconnect:o detail:t reconnect_after_ms:n="],
  Welcome: [110, "user_id:n balance_fen:n places:[{StreamPosition balance_version:n= arriving_fen:n= money_unit:{MoneyUnit="],
  GroupCreated: [111, "group_id:i"],
  GroupJoined: [112, "group_id:i name:t owner_id:n last_message:n"],
  GroupLeft: [113, "group_id:i"],
  Members: [114, "group_id:i owner_id:n user_ids:[n names:[t= more:o= avatar_urls:[t="],
  Said: [115, "group_id:i message:n"],
  CaughtUp: [116, "stream_id:i last_message:n reload:o messages:[M"],
  PacketSent: [120, "packet_id:i total_fen:n commitment:b expires_at_ms:n seed_index:n=-1"],
  Grabbed: [121, "packet_id:i answer:t ticket:i= lapses_at_ms:n= amount_fen:n= index:n= retry_after_ms:n="],
  Opened: [122, "packet_id:i answer:t amount_fen:n= index:n= left_shares:n="],
  Revealed: [123, "packet_id:i packet_kind:t state:t sender_id:n total_fen:n shares:n share_fen_max:n commitment:b seed:b best_index:n claims:[{ClaimLine share_fen_min:n=1 seed_index:n=-1 client_seed:b= server_seed:b= path:[b= root:b= deck:b="],
  OpenPageShown: [127, "packet_id:i answer:t view:t= sender_id:n= sender_name:t= greeting:t= line:t= button:t= link:t= ticket:i= lapses_at_ms:n= retry_after_ms:n= result:~{ResultPageBody= for_user_ids:[n= for_names:[t="],
  ResultPageShown: [128, "packet_id:i page:{ResultPageBody"],
  WatchingStopped: [129, "packet_id:i"],
  RecordsShown: [130, "direction:t year:n years:[n count:n total_fen:n best_lucks:n lines:[{RecordLine more:o"],
  PassedOn: [190, "packet_id:i link:t depth:n expires_at_ms:n text:t="],
  LinkTapped: [191, "packet_id:i answer:t view:t= sender_id:n= sender_name:t= greeting:t= line:t= button:t= link:t= ticket:i= lapses_at_ms:n= retry_after_ms:n= result:~{ResultPageBody= for_user_ids:[n= for_names:[t="],
  SentAgain: [131, "packet_id:i stream_id:i message:n"],
  Kicked: [132, "group_id:i user_id:n"],
  GrabStatsShown: [133, "group_id:i lines:[{GrabStatLine"],
  NameSet: [134, "name:t"],
  Names: [135, "names:[t avatar_urls:[t="],
  Balance: [124, "balance_fen:n arriving_fen:n="],
  Entries: [136, "entries:[{EntryLine more:o"],
  StatementPage: [148, "lines:[{StatementLine more:o"],
  Invite: [143, "group_id:i code:t"],
  ChatOpened: [145, "stream_id:i user_id:n last_message:n"],
  PassShown: [144, "group_id:i expires_at_s:n"],
  SeedTrees: [147, "next_index:n trees:[{SeedTree"],
  CardOffered: [150, "challenge_id:i bank:t last4:t phone:t expires_at_ms:n sets_password:o"],
  CardBound: [151, "card:{CardLine"],
  CodeSentAgain: [152, "phone:t expires_at_ms:n"],
  Cards: [153, "cards:[{CardLine has_password:o takes_cards:o=true needs_password:o=true"],
  CardUnbound: [154, "card_id:i"],
  PasswordSet: [155, ""],
  ResetCodeSent: [156, "challenge_id:i phone:t expires_at_ms:n"],
  PasswordReset: [157, ""],
  ToppedUpByCard: [158, "payment_id:i state:t amount_fen:n"],
  WithdrawnToCard: [159, "payment_id:i state:t amount_fen:n"],
  Transferred: [172, "user_id:n amount_fen:n at_ms:n"],
  Shaken: [180, "campaign_id:i result:t retry_after_ms:n= win:~{WinLine="],
  CampaignShown: [181, "campaign:{CampaignLine texts:<t"],
  Campaigns: [182, "campaigns:[{CampaignLine more:o"],
  WordsSaid: [175, "packet_id:i answer:t"],
  ScheduledPackets: [176, "packets:[{ScheduledLine"],
  ScheduledCancelled: [177, "packet_id:i refunded_fen:n"],
  RelaySet: [178, "group_id:i times:n"],
  RelayShown: [179, "group_id:i times:n"],
  TextPosted: [60, "stream_id:i message:n sender_id:n at_ms:n text:t"],
  PacketPosted: [61, "stream_id:i message:n sender_id:n at_ms:n packet_id:i packet_kind:t shares:n greeting:t commitment:b expires_at_ms:n for_user_ids:[n="],
  ClaimNotice: [62, "packet_id:i user_id:n index:n amount_fen:n left_shares:n"],
  PacketFinished: [63, "packet_id:i stream_id:i shares:n took_ms:n best_user_id:n best_amount_fen:n"],
  PacketRefunded: [64, "packet_id:i refunded_fen:n"],
  BalanceChanged: [65, "balance_fen:n change_fen:n reason:t version:n="],
  ResultUpdate: [66, "packet_id:i opened:n claims:[{ResultLine summary:t="],
  RemovedFromGroup: [67, "group_id:i"],
  AddedToGroup: [71, "group_id:i name:t owner_id:n last_message:n"],
  ClaimsReminder: [68, "stream_id:i message:n at_ms:n packet_id:i shares:n claims:[{ClaimLine"],
  FinishReminder: [69, "stream_id:i message:n at_ms:n packet_id:i shares:n took_ms:n best_user_id:n best_amount_fen:n"],
  RefundReminder: [70, "stream_id:i message:n at_ms:n packet_id:i refunded_fen:n"],
  RelayPosted: [89, "stream_id:i message:n at_ms:n packet_id:i user_id:n times:n amount_fen:n shares:n"],
  Refused: [200, "code:n name:t temporary:o retry_after_ms:n detail:t="]
};
const BACKEND_MESSAGES = {
  DeckBand: [0, "low_fen:n high_fen:n ppm:n"],
  UserLine: [0, "user_id:n name:t="],
  HourLine: [0, "at_ms:n shakes:n won_shares:n won_fen:n"],
  BillLine: [0, "sponsor_id:n bill_number:t user_id:n amount_fen:n status:t packet_id:i reason:t sent_at_ms:n received_at_ms:n refunded_fen:n group_id:i packet_kind:t shares:n opened_shares:n opened_fen:n"],
  TopUp: [25, "key:t user_id:n amount_fen:n known_only:o="],
  Withdraw: [26, "key:t user_id:n amount_fen:n"],
  Pay: [73, "key:t user_id:n amount_fen:n text:t="],
  RefundToCard: [98, "key:t payment_id:i amount_fen:n"],
  ForgetUser: [74, "user_id:n"],
  PutSponsor: [83, "user_id:n name:t"],
  CreateCampaign: [84, "key:t sponsor_id:n name:t starts_at_ms:n ends_at_ms:n shares:n budget_fen:n scheme:t bands:[{DeckBand share_fen_min:n= share_fen_max:n= per_user_limit:n=1 greeting:t= cover:t= group_id:i= highlighted:o= client_seed:b= event_kind:t="],
  ChangeCampaign: [85, "campaign_id:i action:t"],
  CampaignReport: [86, "campaign_id:i"],
  SendBill: [92, "sponsor_id:n bill_number:t user_id:n amount_fen:n greeting:t= scene_id:t= client_seed:b="],
  GetBill: [93, "sponsor_id:n bill_number:t"],
  ReportEvent: [94, "sponsor_id:n event_id:t event_kind:t user_id:n"],
  SetEventRange: [95, "sponsor_id:n event_kind:t low_fen:n high_fen:n greeting:t="],
  SendGroupBill: [96, "sponsor_id:n bill_number:t group_id:i packet_kind:t amount_fen:n shares:n greeting:t= scene_id:t= client_seed:b="],
  ListBills: [97, "sponsor_id:n cursor:t="],
  PutUsers: [37, "users:[{UserLine"],
  BanUser: [38, "user_id:n banned:o=true known_only:o="],
  RevokeTokens: [39, "user_id:n known_only:o="],
  PutGroup: [40, "external_id:t name:t owner_id:n= audience:t=members known_only:o="],
  DeleteGroup: [49, "external_id:t"],
  SyncMembers: [41, "group_id:i version:i user_ids:[n known_only:o="],
  ChangeMembers: [42, "group_id:i version:i joined:[n left:[n= known_only:o="],
  PutChat: [46, "user_id:n other_id:n"],
  ToppedUp: [125, "user_id:n balance_fen:n"],
  Withdrawn: [126, "user_id:n balance_fen:n"],
  Paid: [173, "user_id:n amount_fen:n at_ms:n"],
  RefundedToCard: [198, "payment_id:i state:t amount_fen:n"],
  UserForgotten: [174, "user_id:n"],
  SponsorPut: [183, "user_id:n balance_fen:n next_index:n trees:[{SeedTree"],
  CampaignCreated: [184, "campaign_id:i budget_fen:n commitment:b seed_index:n"],
  CampaignChanged: [185, "campaign_id:i state:t returned_fen:n"],
  CampaignReportShown: [186, "campaign:{CampaignLine budget_fen:n won_shares:n won_fen:n winners:n left_shares:n left_fen:n returned_fen:n shakes:n rests:n nothings:n open_leases:n hours:[{HourLine seed:b= deck:b="],
  BillSent: [192, "sponsor_id:n bill_number:t user_id:n amount_fen:n status:t packet_id:i= reason:t= sent_at_ms:n= received_at_ms:n= refunded_fen:n= group_id:i= packet_kind:t=enterprise shares:n=1 opened_shares:n= opened_fen:n="],
  BillFound: [193, "sponsor_id:n bill_number:t user_id:n amount_fen:n status:t packet_id:i= reason:t= sent_at_ms:n= received_at_ms:n= refunded_fen:n= group_id:i= packet_kind:t=enterprise shares:n=1 opened_shares:n= opened_fen:n="],
  EventReported: [194, "sponsor_id:n bill_number:t user_id:n amount_fen:n status:t packet_id:i= reason:t= sent_at_ms:n= received_at_ms:n= refunded_fen:n= group_id:i= packet_kind:t=enterprise shares:n=1 opened_shares:n= opened_fen:n="],
  EventRangeSet: [195, "sponsor_id:n event_kind:t commitment:b revealed_seed:b"],
  GroupBillSent: [196, "sponsor_id:n bill_number:t user_id:n amount_fen:n status:t packet_id:i= reason:t= sent_at_ms:n= received_at_ms:n= refunded_fen:n= group_id:i= packet_kind:t=enterprise shares:n=1 opened_shares:n= opened_fen:n="],
  Bills: [197, "bills:[{BillLine next_cursor:t"],
  UsersPut: [137, "users:n"],
  UserBanned: [138, "user_id:n banned:o"],
  TokensRevoked: [139, "user_id:n tokens_from_s:n"],
  GroupPut: [140, "group_id:i"],
  GroupDeleted: [149, "group_id:i"],
  MembersSynced: [141, "group_id:i joined:n left:n members:n"],
  MembersChanged: [142, "group_id:i joined:n left:n members:n"],
  ChatPut: [146, "stream_id:i"]
};
const YUAN = { zh: "元", en: "yuan", symbol: "¥", decimals: 2 };
const TYPED_DIGITS_MAX = 11;
function number(unit, amountFen) {
  const digits = String(Math.abs(amountFen)).padStart(unit.decimals + 1, "0");
  const whole = digits.slice(0, digits.length - unit.decimals).replace(/\B(?=(\d{3})+$)/g, ",");
  const rest = digits.slice(digits.length - unit.decimals);
  return `${amountFen < 0 ? "-" : ""}${whole}${unit.decimals ? `.${rest}` : ""}`;
}
function typed(unit, amountFen) {
  return number(unit, amountFen).replaceAll(",", "");
}
function short(unit, language, amountFen) {
  const figure = number(unit, amountFen);
  if (language === "zh") return `${figure}${unit.zh}`;
  return unit.symbol ? `${unit.symbol}${figure}` : `${figure} ${unit.en}`;
}
function parse(unit, text) {
  const found = /^(\d*)(?:\.(\d*))?$/.exec(text.trim());
  const [, whole = "", rest = ""] = found ?? [];
  if (found === null || !(whole || rest) || rest.length > unit.decimals || whole.length > TYPED_DIGITS_MAX - unit.decimals) {
    return void 0;
  }
  return Number(whole + rest.padEnd(unit.decimals, "0"));
}
const money = /* @__PURE__ */ Object.freeze(/* @__PURE__ */ Object.defineProperty({
  __proto__: null,
  YUAN,
  number,
  parse,
  short,
  typed
}, Symbol.toStringTag, { value: "Module" }));
function drawnShares(seed, totalFen, shares, least, most, first = 0) {
  const drawn = [];
  let left = totalFen;
  for (let index = 0; index < shares - 1; index++) {
    const unopened = BigInt(shares - index);
    const digest = toHex(hmac(seed, big(first + index, 4)));
    const [n, r] = [BigInt(`0x${digest.slice(0, 32)}`), BigInt(`0x${digest.slice(32)}`)];
    const m = (2n * left + r % unopened) / unopened;
    const low = m - most > least ? m - most : least;
    const high = m - least < most ? m - least : most;
    const share = low + n % (high - low + 1n);
    drawn.push(share);
    left -= share;
  }
  return [...drawn, left];
}
const POOL_KIND = "pool:";
const UTF8$2 = new TextEncoder();
const PPM = 1000000n;
const BLOCK = 256n;
const ROUNDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const PERMUTATION = UTF8$2.encode("permutation");
const DECK = /^hongbao deck 1\n(bands|draws) (\d+(?: \d+)*)((?:\n\d+ \d+ \d+)*)\n$/;
const PLANTED_MAX = 100000n;
class MalformedDeck extends Error {
}
function poolKind(deck) {
  return POOL_KIND + toHex(sha256(deck));
}
class RevealedPool {
  /** Throws MalformedDeck. */
  constructor(deck, seed) {
    this.seed = seed;
    const { isDrawn, shares, terms, bands } = parsed(deck);
    this.shares = shares;
    this.width = rootUp(shares);
    this.height = (shares + this.width - 1n) / this.width;
    this.bands = isDrawn ? bands.map((band) => ({ ...band, quota: shares * band.ppm / PPM })) : withQuotas(shares, bands);
    if (this.bands.some((band) => band.quota < 1n)) throw new MalformedDeck("a band has no number");
    const placed = this.bands.reduce((sum, band) => sum + sumOf(band), 0n);
    const limits = this.bands.flatMap((band) => [band.low, lastOf(band)]);
    this.totalFen = placed;
    if (isDrawn) {
      const [total, low, high] = terms;
      const places = this.bands.reduce((sum, band) => sum + band.quota, 0n);
      if (places > PLANTED_MAX || places >= shares) throw new MalformedDeck("too many numbers are planted");
      for (let place = 0n; place < places; place++) this.planted.push(this.walk(place, [...ROUNDS].reverse(), -1n));
      this.totalFen = total;
      this.drawn = { fen: total - placed, numbers: shares - places, low, high };
      limits.push(low, high);
    }
    this.shareFenMin = limits.reduce((one, other) => one < other ? one : other);
    this.shareFenMax = limits.reduce((one, other) => one > other ? one : other);
  }
  shares;
  totalFen;
  shareFenMin;
  shareFenMax;
  bands;
  planted = [];
  // numbers with a place in a band, if all others are drawn
  drawn;
  width;
  // of the halves of the permutation
  height;
  /** What a number 0 … shares−1 is worth. */
  amount(number2) {
    let place = this.walk(number2, ROUNDS, 1n);
    for (const { low: low2, high: high2, quota } of this.bands) {
      if (place < quota) return low2 + place * (high2 - low2 + 1n) / quota;
      place -= quota;
    }
    const { fen, numbers, low, high } = this.drawn;
    const rank = number2 - BigInt(this.planted.filter((one) => one < number2).length);
    const first = rank / BLOCK * BLOCK;
    const after = first + BLOCK < numbers ? first + BLOCK : numbers;
    const left = fen * after / numbers - fen * first / numbers;
    return drawnShares(this.seed, left, Number(after - first), low, high, Number(first))[Number(rank - first)];
  }
  /** Through all rounds, again until the result is a number of the pool. */
  walk(value, turns, sign) {
    const within = (sum, of) => (sum % of + of) % of;
    for (let here = value; ; ) {
      let [left, right] = [here % this.width, here / this.width];
      for (const turn of turns) {
        const isOdd = turn % 2 === 1;
        const digest = hmac(this.seed, joined(PERMUTATION, big(turn, 1), big(isOdd ? left : right, 4)));
        const f = sign * BigInt(`0x${toHex(digest)}`);
        if (isOdd) right = within(right + f, this.height);
        else left = within(left + f, this.width);
      }
      here = right * this.width + left;
      if (here < this.shares) return here;
    }
  }
}
function parsed(deck) {
  const [, scheme, head = "", lines = ""] = DECK.exec(new TextDecoder().decode(deck)) ?? [];
  const numbers = (line) => line.split(" ").map(BigInt);
  const [shares = 0n, ...terms] = numbers(head);
  const isDrawn = scheme === "draws";
  if (!shares || terms.length !== (isDrawn ? 3 : 0)) throw new MalformedDeck("the deck is of no known scheme");
  const bands = (lines.match(/\d.*/g) ?? []).map((line) => {
    const [low, high, ppm] = numbers(line);
    return { low, high, ppm };
  });
  return { isDrawn, shares, terms, bands };
}
function withQuotas(shares, bands) {
  const found = bands.map((band) => ({ ...band, quota: shares * band.ppm / PPM }));
  const remainder = (band) => shares * band.ppm % PPM;
  const rest = Number(shares - found.reduce((sum, band) => sum + band.quota, 0n));
  const byRemainder = [...found].sort((one, other) => Number(remainder(other) - remainder(one)));
  for (const band of byRemainder.slice(0, Math.max(0, rest))) band.quota += 1n;
  return found;
}
const lastOf = ({ low, high, quota }) => low + (quota - 1n) * (high - low + 1n) / quota;
function sumOf({ low, high, quota }) {
  const width = high - low + 1n;
  return quota * low + ((quota - 1n) * (width - 1n) + divisor(quota, width) - 1n) / 2n;
}
function divisor(one, other) {
  return other ? divisor(other, one % other) : one;
}
function rootUp(value) {
  let root = BigInt(Math.ceil(Math.sqrt(Number(value))));
  while (root * root < value) root += 1n;
  while ((root - 1n) * (root - 1n) >= value) root -= 1n;
  return root;
}
const UTF8$1 = new TextEncoder();
const PATH_HASHES = 6;
const WITH_BEST_LUCK = ["lucky", "password", "enterprise_lucky"];
const DRAWN = [...WITH_BEST_LUCK, "fission"];
const prefixed = (bytes) => joined(Uint8Array.of(bytes.length), bytes);
const kindOf = (revealed) => prefixed(UTF8$1.encode(revealed.packet_kind));
const same = (one, other) => toHex(one) === toHex(other);
function amounts(revealed) {
  const { total_fen, shares, share_fen_min, share_fen_max } = revealed;
  return joined(big(total_fen, 8), big(shares, 4), big(share_fen_min, 8), big(share_fen_max, 8));
}
function packetSeed(revealed) {
  const { sender_id, seed_index, client_seed, server_seed } = revealed;
  const numbers = [big(sender_id, 8), big(seed_index, 8)];
  return hmac(server_seed, ...numbers, prefixed(client_seed), kindOf(revealed), amounts(revealed));
}
function commitment(revealed) {
  const { seed, packet_id, total_fen, shares } = revealed;
  if (revealed.seed_index < 0) return sha256(seed, big(packet_id, 8), big(total_fen, 8), big(shares, 4));
  return sha256(UTF8$1.encode("hongbao commitment 2"), seed, big(packet_id, 8), kindOf(revealed), amounts(revealed));
}
function rootOf(serverSeed, index, path) {
  let here = sha256(Uint8Array.of(0), serverSeed);
  path.forEach((neighbour, depth) => {
    const isRight = Math.floor(index / 2 ** depth) % 2 === 1;
    here = isRight ? sha256(Uint8Array.of(1), neighbour, here) : sha256(Uint8Array.of(1), here, neighbour);
  });
  return here;
}
function sharesOf(revealed) {
  const { total_fen, shares, share_fen_min, share_fen_max, seed } = revealed;
  if (!DRAWN.includes(revealed.packet_kind)) return Array(shares).fill(Math.floor(total_fen / shares));
  return drawnShares(seed, BigInt(total_fen), shares, BigInt(share_fen_min), BigInt(share_fen_max)).map(Number);
}
const isPool = (revealed) => revealed.packet_kind.startsWith(POOL_KIND);
function dueOf(revealed) {
  if (!isPool(revealed)) {
    const drawn = sharesOf(revealed);
    return revealed.claims.map((one) => drawn[one.index]);
  }
  try {
    const pool = new RevealedPool(revealed.deck, revealed.seed);
    const isThere = (index) => index >= 0 && BigInt(index) < pool.shares;
    return revealed.claims.map(({ index }) => isThere(index) ? Number(pool.amount(BigInt(index))) : void 0);
  } catch (error) {
    if (isBadDeck(error)) return revealed.claims.map(() => void 0);
    throw error;
  }
}
const isBadDeck = (error) => error instanceof MalformedDeck || error instanceof RangeError;
function fitsDeck(revealed) {
  try {
    const { shares, totalFen, shareFenMin, shareFenMax } = new RevealedPool(revealed.deck, revealed.seed);
    const told = [revealed.shares, revealed.total_fen, revealed.share_fen_min, revealed.share_fen_max].map(BigInt);
    const isTold = [shares, totalFen, shareFenMin, shareFenMax].every((one, at) => one === told[at]);
    return isTold && poolKind(revealed.deck) === revealed.packet_kind;
  } catch (error) {
    if (isBadDeck(error)) return false;
    throw error;
  }
}
function bestIndex(revealed) {
  if (!WITH_BEST_LUCK.includes(revealed.packet_kind) || revealed.claims.length < revealed.shares) return -1;
  return revealed.claims.reduce((best, one) => one.amount_fen > best.amount_fen ? one : best).index;
}
function stepsOf(revealed) {
  const { seed_index, server_seed, path, root } = revealed;
  const committed = { name: "commitment", fits: same(commitment(revealed), revealed.commitment) };
  const steps = [committed, ...isPool(revealed) ? stepsOfPool(revealed) : stepsOfShares(revealed)];
  if (seed_index < 0) return steps;
  const isRooted = path.length === PATH_HASHES && same(rootOf(server_seed, seed_index, path), root);
  return [{ name: "root", fits: isRooted }, { name: "seed", fits: same(packetSeed(revealed), revealed.seed) }, ...steps];
}
function stepsOfShares(revealed) {
  const { claims, shares, state } = revealed;
  const due = dueOf(revealed);
  const isNumbered = claims.every((one, at) => one.index === at) && claims.length <= shares;
  const isComplete = claims.length === shares === (state === "finished");
  return [
    { name: "shares", fits: isNumbered && isComplete && claims.every((one, at) => one.amount_fen === due[at]) },
    { name: "best", fits: bestIndex(revealed) === revealed.best_index }
  ];
}
function stepsOfPool(revealed) {
  const { claims } = revealed;
  const due = dueOf(revealed);
  const isOnce = new Set(claims.map((one) => one.index)).size === claims.length;
  return [
    { name: "deck", fits: fitsDeck(revealed) },
    { name: "shares", fits: isOnce && claims.every((one, at) => one.amount_fen === due[at]) }
  ];
}
const SEEDS_PER_TREE = 64;
const KEPT_MAX = 1e3;
class KeptSeeds {
  roots = /* @__PURE__ */ new Map();
  sentPackets = /* @__PURE__ */ new Map();
  campaigns = /* @__PURE__ */ new Map();
  // their commitments, told before the end
  hasChanged = false;
  /** The server has committed to these trees. What it told first is kept. */
  told(trees) {
    for (const { number: number2, root } of trees.trees) {
      const first = this.roots.get(number2);
      if (first === void 0) this.roots.set(number2, toHex(root));
      else this.hasChanged ||= first !== toHex(root);
    }
  }
  /** A packet was sent. A repeated send keeps what the first one gave. */
  sent(reply, clientSeed, isCertain) {
    if (this.sentPackets.has(reply.packet_id)) return;
    const root = this.roots.get(Math.floor(reply.seed_index / SEEDS_PER_TREE));
    const kept = { commitment: toHex(reply.commitment), clientSeed: toHex(clientSeed), isCertain, root };
    this.sentPackets.set(reply.packet_id, kept);
    const [oldest] = this.sentPackets.keys();
    if (this.sentPackets.size > KEPT_MAX) this.sentPackets.delete(oldest);
  }
  /** A campaign was told. The commitment that came first, and before its end, is kept. */
  campaignTold({ campaign_id, commitment: commitment2, state }) {
    if (state === "ended" || !commitment2.length || this.campaigns.has(campaign_id)) return;
    this.campaigns.set(campaign_id, toHex(commitment2));
    const [oldest] = this.campaigns.keys();
    if (this.campaigns.size > KEPT_MAX) this.campaigns.delete(oldest);
  }
  /** Check a proof by itself and against what was kept. */
  check(revealed) {
    const steps = stepsOf(revealed);
    const kept = this.sentPackets.get(revealed.packet_id);
    const found = isPool(revealed) ? this.checkCampaign(revealed) : { contradictions: [...contradictionsOf(kept, revealed)], unproven: [...unprovenOf(kept, revealed)] };
    const contradictions = [...this.hasChanged ? ["tree"] : [], ...found.contradictions];
    const isFair = steps.every((step) => step.fits) && !contradictions.length;
    return { steps, contradictions, unproven: found.unproven, isFair };
  }
  /** What was told of a campaign while it ran, against its proof. */
  checkCampaign({ packet_id, commitment: commitment2 }) {
    const told = this.campaigns.get(packet_id);
    return {
      contradictions: told !== void 0 && told !== toHex(commitment2) ? ["commitment"] : [],
      unproven: told === void 0 ? ["campaign_not_told"] : []
    };
  }
}
function* contradictionsOf(kept, revealed) {
  if (kept === void 0) return;
  if (toHex(revealed.commitment) !== kept.commitment) yield "commitment";
  const hasSeed = revealed.seed_index >= 0 && kept.isCertain;
  if (hasSeed && toHex(revealed.client_seed) !== kept.clientSeed) yield "client_seed";
  if (kept.root !== void 0 && toHex(revealed.root) !== kept.root) yield "root";
}
function* unprovenOf(kept, revealed) {
  if (revealed.seed_index < 0) yield "old_server";
  else if (!revealed.client_seed.length) yield "no_client_seed";
  if (kept === void 0) yield "not_mine";
  else if (revealed.seed_index >= 0) {
    if (kept.root === void 0) yield "root_not_told";
    if (!kept.isCertain && toHex(revealed.client_seed) !== kept.clientSeed) yield "client_seed";
  }
}
const UTF8 = new TextEncoder();
class PacketRequests {
  constructor(client) {
    this.client = client;
  }
  keptSeeds = new KeptSeeds();
  secret = randomBytes(32);
  /** Send a packet. `amountFen`: the total, or that of one share (equal, exclusive). Money moves once, also if the
   * request is repeated after a lost connection, or if the app calls again after a temporary failure. */
  async send(kind, targetId, amountFen, shares = 1, greeting = "", options = {}) {
    const { key, clientSeed, cardId = 0n, password = "", forUserIds = [], words = "", sendAtMs = 0 } = options;
    const fields = {
      key: "",
      packet_kind: kind,
      target_id: targetId,
      amount_fen: amountFen,
      shares: forUserIds.length || shares,
      greeting,
      card_id: cardId,
      password,
      for_user_ids: forUserIds,
      words,
      send_at_ms: sendAtMs
    };
    let seed = clientSeed ?? new Uint8Array();
    const complete = (made) => {
      seed = clientSeed ?? hmac(this.secret, UTF8.encode(made));
      return { client_seed: seed };
    };
    const sent = await this.client.askWithKey("SendPacket", fields, key, complete);
    this.keptSeeds.sent(sent, seed, clientSeed !== void 0 || key === void 0);
    return sent;
  }
  /** The page that a tap shows; with a ticket if the packet may be opened. */
  openPage(packetId, language) {
    return this.client.ask("OpenPage", { packet_id: packetId, language });
  }
  /** The same by the link of a friend. */
  tapLink(link, language) {
    return this.client.ask("TapLink", { link, language });
  }
  /** Open with a ticket. Rejects with a refusal `no_ticket` if it has lapsed. */
  openWith(packetId, ticket) {
    return this.client.ask("Open", { packet_id: packetId, ticket });
  }
  /** Grab and open, as often as it takes: with `ticket` first, if there is one. Temporary refusals are waited out for
   * `patienceMs`. An open that was executed is answered with the same share. */
  async open(packetId, ticket = 0n, patienceMs = 2e4) {
    const giveUpAt = performance.now() + patienceMs;
    for (let held = ticket; ; held = 0n) {
      try {
        if (held) return await this.client.patiently(() => this.openWith(packetId, held), patienceMs);
        const grabbed = await this.client.patiently(() => this.grab(packetId), patienceMs);
        if (grabbed.answer === "ticket") {
          return await this.client.patiently(() => this.openWith(packetId, grabbed.ticket), patienceMs);
        }
        if (grabbed.answer !== "busy") return { ...grabbed, kind: "Opened", left_shares: 0 };
        if (performance.now() > giveUpAt) return { ...grabbed, kind: "Opened", left_shares: 0 };
        await sleep(grabbed.retry_after_ms);
      } catch (error) {
        if (!isRefused(error, "no_ticket") || performance.now() > giveUpAt) throw error;
      }
    }
  }
  grab(packetId) {
    return this.client.ask("Grab", { packet_id: packetId });
  }
  /** Say the words of a password packet. */
  sayWords(packetId, words) {
    return this.client.ask("SayWords", { packet_id: packetId, words });
  }
  /** My packets that wait for their time, the next one first. */
  async scheduled() {
    return (await this.client.ask("GetScheduled", {})).packets;
  }
  /** Cancel one of them before its time; the amount that came back. */
  async cancelScheduled(packetId) {
    return (await this.client.ask("CancelScheduled", { packet_id: packetId })).refunded_fen;
  }
  /** Who got how much. `beforeIndex` 0: the newest claims; `watch`: later ones come as ResultUpdate. */
  async result(packetId, language, beforeIndex = 0, watch = false) {
    const fields = { packet_id: packetId, language, before_index: beforeIndex, watch };
    return (await this.client.ask("ResultPage", fields)).page;
  }
  async stopWatching(packetId) {
    await this.client.ask("StopWatching", { packet_id: packetId });
  }
  /** Push my unfinished packet again: where it was sent, or to another group of mine. Not repeated. */
  sendAgain(packetId, groupId = 0n) {
    return this.client.ask("SendAgain", { packet_id: packetId, group_id: groupId });
  }
  /** A link to a fission packet that I have opened, and the text to say it with. */
  passOn(packetId, language) {
    return this.client.ask("PassOn", { packet_id: packetId, language });
  }
  /** What I sent or received in a year (0: this one), newest first, behind a line. */
  records(direction, year = 0, beforeAtMs = 0, beforePacketId = 0n) {
    const before = { before_at_ms: beforeAtMs, before_packet_id: beforePacketId };
    return this.client.ask("Records", { direction, year, ...before });
  }
  /** The changes of the wallet behind a version of it, oldest first, a page at a time. */
  async entries(afterVersion) {
    return this.client.ask("GetEntries", { after_version: afterVersion });
  }
  /** The changes of the wallet with counterparties, newest first, in pages. */
  statement(beforeVersion = 0) {
    return this.client.ask("GetStatement", { before_version: beforeVersion });
  }
  /** The roots that the server commits to for my next packets; asked before a send, `verify` checks them. */
  async seedTrees() {
    const trees = await this.client.ask("GetSeedTrees", {});
    this.keptSeeds.told(trees);
    return trees;
  }
  reveal(packetId) {
    return this.client.ask("Reveal", { packet_id: packetId });
  }
  /** The proof of a packet or a campaign that is over, and its check here. Of a campaign it has the reader's wins. */
  async verify(packetId) {
    const revealed = await this.reveal(packetId);
    return { revealed, verdict: this.keptSeeds.check(revealed) };
  }
  // --- campaigns -------------------------------------------------------------------------------------------------
  shake(campaignId) {
    return this.client.ask("Shake", { campaign_id: campaignId });
  }
  async campaign(campaignId, language) {
    const shown = await this.client.ask("CampaignInfo", { campaign_id: campaignId, language });
    this.keptSeeds.campaignTold(shown.campaign);
    return shown;
  }
  async campaigns(beforeCampaignId = 0n) {
    const listed = await this.client.ask("ListCampaigns", { before_campaign_id: beforeCampaignId });
    listed.campaigns.forEach((one) => this.keptSeeds.campaignTold(one));
    return listed;
  }
}
class Token {
  constructor(userId, issuedAtS, expiresAtS, keyId, mac) {
    this.userId = userId;
    this.issuedAtS = issuedAtS;
    this.expiresAtS = expiresAtS;
    this.keyId = keyId;
    this.mac = mac;
  }
  /** Throws MalformedToken; only the server can tell whether it is genuine. */
  static parse(text) {
    const found = /^(\d{1,16})\.(?:(\d{1,16})\.)?(\d{1,16})\.([^.]+)\.([0-9a-f]{64})$/.exec(text.trim());
    if (found === null) throw new MalformedToken();
    const [, user, issued, expiry, keyId, mac] = found;
    return new Token(Number(user), Number(issued ?? 0), Number(expiry), keyId, fromHex(mac));
  }
  /** The login on the connection with this nonce. The secret part of the token stays here: it signs the nonce. */
  login(nonce, features) {
    return {
      user_id: this.userId,
      expires_at_s: this.expiresAtS,
      key_id: this.keyId,
      proof: hmac(this.mac, nonce),
      features: [...features],
      issued_at_s: this.issuedAtS
    };
  }
}
const CONNECT_PATIENCE_MS = 1e4;
class ClientEvent extends Event {
  constructor(type, detail) {
    super(type);
    this.detail = detail;
  }
}
class Client extends EventTarget {
  userId;
  packets;
  cards;
  hello;
  welcome;
  connection;
  codec = new Codec(USER_MESSAGES);
  feed;
  /** Keys of requests whose outcome is unknown, also for payments that an app keeps itself. */
  keys;
  endedBy;
  unhook;
  /** Throws MalformedToken. */
  constructor(url, token, options = {}) {
    super();
    const parsed2 = Token.parse(token);
    this.userId = parsed2.userId;
    this.keys = new IdempotencyKeys(this.userId, options.storage);
    const endpoint = {
      url,
      token: parsed2,
      timeoutMs: options.timeoutMs ?? 1e4,
      backoffMostMs: options.backoffMostMs ?? 5e3,
      openSocket: options.openSocket ?? ((to, protocol) => new WebSocket(to, protocol))
    };
    this.connection = new Connection(endpoint, this.codec, {
      welcomed: (welcome, hello) => this.welcomed(welcome, hello),
      pushed: (push) => this.feed.take(push),
      lost: () => this.emit("offline", void 0),
      ended: (error) => this.ended(error)
    });
    const tell = (push) => this.tell(push);
    this.feed = new PushFeed((name, fields) => this.ask(name, fields), tell, options.positions, options.balanceVersion);
    this.packets = new PacketRequests(this);
    this.cards = new CardRequests(this);
    this.unhook = hookPage(() => this.connection.wake());
  }
  // --- the connection --------------------------------------------------------------------------------------------
  /** Connect and log in. Rejects with ConnectionLost after `patienceMs`, though the client goes on trying, or with
   * ConnectionRefusedForGood. */
  connect(patienceMs = CONNECT_PATIENCE_MS) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(new ConnectionLost("no connection yet"))), patienceMs);
      const settle = (how) => {
        clearTimeout(timer);
        forget.forEach((off) => off());
        how();
      };
      const forget = [
        this.on("online", (welcome) => settle(() => resolve(welcome))),
        this.on("ended", (error) => settle(() => reject(error)))
      ];
      if (this.endedBy !== void 0) settle(() => reject(this.endedBy));
      else if (this.isConnected) settle(() => resolve(this.welcome));
      else this.connection.open();
    });
  }
  /** Close for good. Requests in flight reject with ClientClosed. */
  close() {
    this.unhook();
    this.connection.close();
  }
  /** Lose the connection without a goodbye, as a phone that loses its network. The client reconnects. */
  drop() {
    this.connection.drop();
  }
  /** Find out now whether the connection is alive, and reconnect now if it is not. On a page, the client does so by
   * itself when the page becomes visible and when a network is back. */
  wake() {
    this.connection.wake();
  }
  /** The client is connected and logged in. */
  get isConnected() {
    return this.connection.isOpen;
  }
  get reconnects() {
    return this.connection.reconnects;
  }
  /** The unit in which this server's amounts are shown and typed; yuan before the first login. */
  get money() {
    return this.welcome?.money_unit ?? YUAN;
  }
  /** A limit of the server by its name, from its hello. */
  limit(name, otherwise) {
    return this.hello?.limits[name] ?? otherwise;
  }
  /** Receive one kind of event, `push` for all pushes; returns what stops it. */
  on(type, receive) {
    const listener = (event) => receive(event.detail);
    this.addEventListener(type, listener);
    return () => this.removeEventListener(type, listener);
  }
  /** Any request, by its name. */
  ask(name, fields) {
    return this.connection.ask(name, fields);
  }
  /**
   * A request that moves money, with the app's key, or without one with a key that is kept until the outcome is
   * known. `complete` adds what follows from the key.
   */
  async askWithKey(name, fields, key, complete) {
    if (key !== void 0) return this.ask(name, { ...fields, key, ...complete?.(key) });
    const content = { ...fields, key: "", password: "", client_seed: new Uint8Array() };
    const made = this.keys.take(this.codec.encode(name, 0, content));
    try {
      const reply = await this.ask(name, { ...fields, key: made, ...complete?.(made) });
      this.keys.settle(made);
      return reply;
    } catch (error) {
      if (isOutcome(error)) this.keys.settle(made);
      else this.keys.keep(made);
      throw error;
    }
  }
  // --- groups and chat -------------------------------------------------------------------------------------------
  /** Make a group that I own; its id. Not repeated: rejects with ConnectionLost if in flight. */
  async createGroup(name) {
    const { group_id } = await this.ask("CreateGroup", { name });
    this.feed.gaps.follow(group_id, 0);
    return group_id;
  }
  /** The invite code of a group. `renew`, for its owner: a new one, the old one ends. */
  async invite(groupId, renew = false) {
    return (await this.ask("GetInvite", { group_id: groupId, renew })).code;
  }
  /** Become a member by an invite code; the id of the group need not be known. */
  async joinGroup(invite, groupId = 0n) {
    const joined2 = await this.ask("JoinGroup", { group_id: groupId, invite });
    this.feed.gaps.follow(joined2.group_id, joined2.last_message);
    return joined2;
  }
  /** The one-to-one chat with a user, made if there is none. */
  async openChat(userId) {
    const opened = await this.ask("OpenChat", { user_id: userId });
    this.feed.gaps.follow(opened.stream_id, opened.last_message);
    return opened;
  }
  async leaveGroup(groupId) {
    await this.ask("LeaveGroup", { group_id: groupId });
    this.feed.gaps.forget(groupId);
  }
  /** Members and their names: those behind a user id; ask on while there are `more`. */
  members(groupId, afterUserId = 0) {
    return this.ask("ListMembers", { group_id: groupId, after_user_id: afterUserId });
  }
  /** The names of at most 100 users, in their order; "" for a user without one. */
  async names(userIds) {
    return (await this.ask("GetNames", { user_ids: userIds })).names;
  }
  /** Post a text; its number. Not repeated: rejects with ConnectionLost if in flight. */
  async say(groupId, text) {
    return (await this.ask("Say", { group_id: groupId, text })).message;
  }
  /** All posts behind number `after`, for an app that has just started; Reloaded if they are too many. */
  catchUp(streamId, after) {
    return this.feed.postsAfter(streamId, after);
  }
  /** The number of the last post handed on, by stream: for a later Client that continues there. */
  get positions() {
    return this.feed.gaps.positions;
  }
  /** The version of the last change of the wallet that the app was told. */
  get balanceVersion() {
    return this.feed.balanceVersion;
  }
  /** Ask for what may be asked twice, and again while it is refused for a moment. */
  patiently(ask, patienceMs = CONNECT_PATIENCE_MS) {
    return patiently(ask, patienceMs);
  }
  // --- what the connection tells ---------------------------------------------------------------------------------
  welcomed(welcome, hello) {
    this.hello = hello;
    this.welcome = welcome;
    this.feed.welcomed(welcome);
    this.emit("online", welcome);
  }
  ended(error) {
    this.endedBy = error;
    this.emit("ended", error);
  }
  tell(push) {
    this.emit(push.kind, push);
    this.emit("push", push);
  }
  emit(type, detail) {
    this.dispatchEvent(new ClientEvent(type, detail));
  }
}
function hookPage(wake) {
  const page = globalThis.document;
  if (page === void 0) return () => {
  };
  const seen = () => {
    if (page.visibilityState === "visible") wake();
  };
  page.addEventListener("visibilitychange", seen);
  addEventListener("pageshow", seen);
  addEventListener("online", wake);
  addEventListener("offline", wake);
  return () => {
    page.removeEventListener("visibilitychange", seen);
    removeEventListener("pageshow", seen);
    removeEventListener("online", wake);
    removeEventListener("offline", wake);
  };
}
export {
  BACKEND_MESSAGES,
  Backoff,
  Client,
  ClientClosed,
  ClientError,
  ClientEvent,
  Codec,
  ConnectionLost,
  ConnectionRefusedForGood,
  IdempotencyKeys,
  KeptSeeds,
  MalformedBytes,
  MalformedDeck,
  MalformedMessage,
  MalformedToken,
  Refusal,
  RevealedPool,
  StreamGaps,
  TimedOut,
  Token,
  Told,
  USER_MESSAGES,
  bestIndex,
  commitment,
  dueOf,
  fromHex,
  hmac,
  isOutcome,
  isPool,
  isRefused,
  isReload,
  money,
  pack,
  packetSeed,
  patiently,
  poolKind,
  rootOf,
  sha256,
  sharesOf,
  sleep,
  stepsOf,
  toHex,
  unpack
};
