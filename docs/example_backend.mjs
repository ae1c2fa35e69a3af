// A small chat backend with red packets: users, rooms, messages as JSON over HTTP; docs/attach.md explains it.
//
//     HONGBAO_URL=http://127.0.0.1:7792 HONGBAO_KEY=k1.6f1d… node docs/example_backend.mjs 8000
//
// Node 18 or newer, no dependencies. Of hongbao it uses the HTTP API alone. What is hongbao's is marked; the rest stands
// for the chat that you have.

import { createHash, createHmac, randomBytes } from "node:crypto";
import { createServer } from "node:http";

// --- hongbao: a signed request, repeated while the refusal is temporary -----------------------------------------

const [URL_GIVEN, [KEY_ID, KEY]] = [process.env.HONGBAO_URL ?? "", (process.env.HONGBAO_KEY ?? "").split(".")];
if (!/^https?:\/\/[^/]+\/*$/.test(URL_GIVEN)) {
  console.error("HONGBAO_URL must be the address of hongbao's HTTP API, such as http://127.0.0.1:7792");
  process.exit(1);
}
if (!KEY_ID || !/^([0-9a-fA-F]{2})+$/.test(KEY ?? "")) {
  console.error("HONGBAO_KEY must be ID.HEX, such as k1.6f1d…; `hongbao key show --api --bearer` prints it");
  process.exit(1);
}
const HONGBAO = URL_GIVEN.replace(/\/+$/, "");
const TRIES = 6;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// The headers of a signed request (docs/http-api.md).
function signature(method, path, body, idempotencyKey) {
  const stamp = String(Math.floor(Date.now() / 1000));
  const nonce = randomBytes(16).toString("hex");
  const digest = createHash("sha256").update(body).digest("hex");
  const lines = ["hongbao-http-1", KEY_ID, stamp, nonce, method, path, idempotencyKey, digest];
  const mac = createHmac("sha256", Buffer.from(KEY, "hex")).update(lines.join("\n")).digest("hex");
  return { "Hongbao-Key": KEY_ID, "Hongbao-Timestamp": stamp, "Hongbao-Nonce": nonce, "Hongbao-Signature": mac };
}

// The reply. The same key makes a repetition harmless, so an unknown outcome is simply asked again.
async function hongbao(method, path, content, idempotencyKey = "") {
  const body = content === undefined ? "" : JSON.stringify(content);
  for (let attempt = 1; ; attempt++) {
    const headers = { ...signature(method, path, body, idempotencyKey), "Content-Type": "application/json" };
    if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
    let reply;
    try {
      const options = { method, headers, body: body || undefined, signal: AbortSignal.timeout(10_000) };
      const response = await fetch(HONGBAO + path, options);
      reply = await response.json();
      if (response.ok) return reply;
    } catch {
      const pause_ms = 200 << (attempt - 1); // six seconds in all: a restart of hongbao takes some
      reply = { temporary: true, status: 503, title: "no reply of hongbao", retry_after_ms: pause_ms };
    }
    if (!reply.temporary || attempt === TRIES) throw new Refusal(reply.status, reply.detail ?? reply.title);
    await sleep(reply.retry_after_ms ?? 200);
  }
}

// --- the chat: users, rooms, messages, all in memory ------------------------------------------------------------

class Refusal extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

const users = new Map(); // by chat token
const rooms = new Map(); // lists of messages
let nextId = Date.now(); // a chat that keeps its users has ids of its own

// A message in a room, as all members read it.
function post(room, sender, content) {
  const message = { number: rooms.get(room).length + 1, from: sender.name, ...content };
  rooms.get(room).push(message);
  return message;
}

// A new user, with some money to play with.
async function logIn({ body }) {
  const user = { id: String(nextId++), name: body.name };
  await hongbao("PUT", `/v1/users/${user.id}`, { name: user.name }); // hongbao: this user exists
  await hongbao("POST", `/v1/wallets/${user.id}/top-up`, { amount_fen: 20_000 }, `welcome ${user.id}`);
  const token = randomBytes(16).toString("hex");
  users.set(token, user);
  return { user_id: user.id, token };
}

// The first user makes the room.
async function join({ user, words: [room] }) {
  const group = `/v1/groups/${encodeURIComponent(room)}`;
  if (!rooms.has(room)) {
    await hongbao("PUT", group, { name: room }); // hongbao: a group under our own id
    if (!rooms.has(room)) rooms.set(room, []);
  }
  await hongbao("PUT", `${group}/members/${user.id}`, { version: Date.now() }); // hongbao: who may open
  return { room };
}

// A text, or "/hongbao 8.88 3 Good luck" for a packet of 8.88 in 3 shares.
async function say({ user, words: [room], body }) {
  if (!rooms.has(room)) throw new Refusal(404, "there is no such room");
  if (!body.text.startsWith("/hongbao ")) return post(room, user, { text: body.text });
  const found = /^\/hongbao (\d+)(?:\.(\d{1,2}))? (\d+)(?: (.*))?$/s.exec(body.text);
  if (!found) throw new Refusal(400, "usage: /hongbao AMOUNT SHARES GREETING");
  const [, yuan, fen = "", shares, greeting = ""] = found;
  const amount_fen = Number(yuan) * 100 + Number(fen.padEnd(2, "0"));
  const client_seed = randomBytes(32).toString("hex"); // provably fair against the operator of hongbao, too
  const packet = { sender_id: user.id, kind: "lucky", group: room, amount_fen, shares: Number(shares), greeting };
  const key = `message ${body.id}`; // hongbao: once per message
  const sent = await hongbao("POST", "/v1/packets", { ...packet, client_seed }, key);
  const posted = rooms.get(room).find((one) => one.packet === sent.packet_id);
  return posted ?? post(room, user, { packet: sent.packet_id, text: greeting });
}

async function read({ words: [room], query }) {
  return (rooms.get(room) ?? []).slice(Number(query.get("after") ?? 0));
}

// "won" with an amount, or why there is none.
async function openPacket({ user, words: [packet] }) {
  const opened = await hongbao("POST", `/v1/packets/${packet}/open`, { user_id: user.id });
  return { answer: opened.answer, amount_fen: opened.amount_fen ?? 0 };
}

// The url of the packet's page, for a WebView of this user.
async function page({ user, words: [packet] }) {
  return hongbao("POST", `/v1/packets/${packet}/page-link`, { user_id: user.id });
}

async function wallet({ user }) {
  const found = await hongbao("GET", `/v1/users/${user.id}`);
  return { balance_fen: found.balance_fen, arriving_fen: found.arriving_fen ?? 0 };
}

const ROUTES = [
  ["POST", /^\/users$/, logIn],
  ["POST", /^\/rooms\/([^/]+)\/join$/, join],
  ["POST", /^\/rooms\/([^/]+)\/messages$/, say],
  ["GET", /^\/rooms\/([^/]+)\/messages$/, read],
  ["POST", /^\/packets\/([0-9]+)\/open$/, openPacket],
  ["POST", /^\/packets\/([0-9]+)\/page$/, page],
  ["GET", /^\/wallet$/, wallet],
];

async function serve(request) {
  const url = new URL(request.url, "http://chat");
  const [, , handler] = ROUTES.find(([method, path]) => method === request.method && path.test(url.pathname)) ?? [];
  if (!handler) throw new Refusal(404, "there is no such path");
  const words = ROUTES.find((route) => route[2] === handler)[1].exec(url.pathname).slice(1).map(decodeURIComponent);
  const user = users.get((request.headers.authorization ?? "").replace("Bearer ", ""));
  if (!user && handler !== logIn) throw new Refusal(401, "log in first: POST /users");
  let text = "";
  for await (const part of request) text += part;
  return handler({ user, words, query: url.searchParams, body: text ? JSON.parse(text) : {} });
}

const server = createServer(async (request, response) => {
  let [status, content] = [200, null];
  try {
    content = await serve(request);
  } catch (error) {
    [status, content] = [error.status ?? 500, { error: error.message }];
  }
  response.writeHead(status, { "Content-Type": "application/json" }).end(JSON.stringify(content));
});
server.listen(Number(process.argv[2] ?? 8000), "127.0.0.1", () => {
  console.log(`a chat with red packets: http://127.0.0.1:${server.address().port}`);
});
