"use strict";
// The race for one packet, and its proof. Everything is recomputed here from the records in this page: the formulas
// are those of docs/protocol.md, section 10. Nothing is loaded.

const told = JSON.parse(document.querySelector(".records").textContent);
const zh = document.documentElement.lang === "zh";
const PLAY_MS = 9000;
const DRAWN = new Set(["lucky", "password", "enterprise_lucky", "fission"]);
const WITH_BEST = new Set(["lucky", "password", "enterprise_lucky"]);

const TEXTS = {
  from: zh ? (who) => `${who}的红包` : (who) => `A red packet of ${who}`,
  sender: zh ? "发红包的人" : "its sender",
  place: zh ? (n) => `第${n}位` : (n) => `No. ${n}`,
  about: zh ? (n, sum) => `${n}个红包，共${sum}` : (n, sum) => `${n} shares, ${sum} in all`,
  play: zh ? "重放" : "Replay",
  pause: zh ? "暂停" : "Pause",
  moment: zh ? "时刻" : "Moment",
  after: zh ? (s) => `${s}秒` : (s) => `${s} s`,
  after_at: zh ? (s) => `发出${s}秒后` : (s) => `${s} s after it was sent`,
  best: zh ? "手气最佳" : "Best luck",
  finished: zh ? (s) => `${s}秒被抢光。没抢到的人来得更晚，系统不记录他们。` : (s) => `Gone after ${s} s. Those who came later are not recorded.`,
  refunded: zh ? (n) => `${n}份没有被领取，已退回。` : (n) => `${n} shares were not opened and went back.`,
  proof: zh ? "公平验证" : "Was it fair?",
  fair: zh ? "全部吻合" : "Everything fits",
  unfair: zh ? "有不吻合的地方" : "Something does not fit",
  how: zh
    ? "这一页没有联网。它在你的设备上，用种子重新算出了每一份金额。"
    : "This page has no connection. It has computed every amount again, on your device, from the seed.",
  numbers: zh ? "种子与承诺" : "Seeds and commitment",
  step_commitment: zh ? "种子与发出时的承诺一致" : "The seed fits what was published when it was sent",
  step_seed: zh ? "种子由双方共同决定" : "The seed follows from the server's and the sender's part",
  step_root: zh ? "服务器的种子在事先公布的树里" : "The server's part is in the tree whose root was told before",
  step_shares: zh ? "每一份金额都由种子算出" : "Every amount follows from the seed",
};

// --- bytes --------------------------------------------------------------------------------------------------------

const bytesOf = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (two) => parseInt(two, 16));
const hexOf = (bytes) => Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
const textBytes = (text) => new TextEncoder().encode(text);
const joined = (...parts) => Uint8Array.from(parts.flatMap((part) => Array.from(part)));
const bigEndian = (value, size) => bytesOf(BigInt(value).toString(16).padStart(2 * size, "0"));
const numberOf = (bytes) => BigInt(`0x${hexOf(bytes)}`);
const prefixed = (bytes) => joined([bytes.length], bytes);

// SHA-256 (FIPS 180-4). `crypto.subtle` is absent where a chat opens a file that was passed on.
const ROUNDS = [];
const START = [];
for (let n = 2; ROUNDS.length < 64; n++) {
  if (Array.from({ length: n - 2 }, (_, at) => at + 2).every((one) => n % one)) {
    const part = (power) => {
      const root = n ** power;
      return Math.floor((root - Math.floor(root)) * 2 ** 32);
    };
    if (START.length < 8) START.push(part(1 / 2));
    ROUNDS.push(part(1 / 3));
  }
}

function sha256(bytes) {
  const padded = new Uint8Array(Math.ceil((bytes.length + 9) / 64) * 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  new DataView(padded.buffer).setUint32(padded.length - 4, bytes.length * 8);
  const state = START.slice();
  const turn = (word, by) => (word >>> by) | (word << (32 - by));
  for (let from = 0; from < padded.length; from += 64) {
    const words = Array.from({ length: 16 }, (_, at) => new DataView(padded.buffer).getUint32(from + 4 * at));
    for (let at = 16; at < 64; at++) {
      const [low, high] = [words[at - 15], words[at - 2]];
      const first = turn(low, 7) ^ turn(low, 18) ^ (low >>> 3);
      const second = turn(high, 17) ^ turn(high, 19) ^ (high >>> 10);
      words.push((words[at - 16] + first + words[at - 7] + second) >>> 0);
    }
    let [a, b, c, d, e, f, g, h] = state;
    for (let at = 0; at < 64; at++) {
      const chosen = (e & f) ^ (~e & g);
      const one = (h + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + chosen + ROUNDS[at] + words[at]) >>> 0;
      const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) >>> 0;
      [h, g, f, e, d, c, b, a] = [g, f, e, (d + one) >>> 0, c, b, a, (one + two) >>> 0];
    }
    [a, b, c, d, e, f, g, h].forEach((word, at) => { state[at] = (state[at] + word) >>> 0; });
  }
  return joined(...state.map((word) => bigEndian(word, 4)));
}

function hmac(key, message) {
  const block = new Uint8Array(64);
  block.set(key.length > 64 ? sha256(key) : key);
  const inner = sha256(joined(block.map((one) => one ^ 0x36), message));
  return sha256(joined(block.map((one) => one ^ 0x5c), inner));
}

// --- the proof ----------------------------------------------------------------------------------------------------

const amounts = () => joined(
  bigEndian(told.total_fen, 8),
  bigEndian(told.shares, 4),
  bigEndian(told.share_fen_min, 8),
  bigEndian(told.share_fen_max, 8),
);

function sharesOf(seed) {
  if (!DRAWN.has(told.kind)) return Array(told.shares).fill(Math.floor(told.total_fen / told.shares));
  const [least, most] = [BigInt(told.share_fen_min), BigInt(told.share_fen_max)];
  const drawn = [];
  let left = BigInt(told.total_fen);
  for (let index = 0; index < told.shares - 1; index++) {
    const unopened = BigInt(told.shares - index);
    const digest = hmac(seed, bigEndian(index, 4));
    const [n, r] = [numberOf(digest.slice(0, 16)), numberOf(digest.slice(16))];
    const middle = (2n * left + (r % unopened)) / unopened;
    const low = least > middle - most ? least : middle - most;
    const high = most < middle - least ? most : middle - least;
    drawn.push(Number(low + (n % (high - low + 1n))));
    left -= BigInt(drawn[index]);
  }
  return [...drawn, Number(left)];
}

function rootOf(serverSeed, index, path) {
  let here = sha256(joined([0], serverSeed));
  path.forEach((neighbour, depth) => {
    here = sha256(joined([1], ...((index >> depth) & 1 ? [neighbour, here] : [here, neighbour])));
  });
  return hexOf(here);
}

function* seedSteps(seed) {
  const id = bigEndian(told.packet_id, 8);
  const kind = prefixed(textBytes(told.kind));
  if (told.seed_index < 0) {
    const old = joined(seed, id, bigEndian(told.total_fen, 8), bigEndian(told.shares, 4));
    yield ["commitment", hexOf(sha256(old)) === told.commitment];
    return;
  }
  const promised = joined(textBytes("hongbao commitment 2"), seed, id, kind, amounts());
  yield ["commitment", hexOf(sha256(promised)) === told.commitment];
  const numbers = joined(bigEndian(told.sender_id, 8), bigEndian(told.seed_index, 8));
  const content = joined(numbers, prefixed(bytesOf(told.client_seed)), kind, amounts());
  const serverSeed = bytesOf(told.server_seed);
  yield ["seed", hexOf(hmac(serverSeed, content)) === told.seed];
  const root = rootOf(serverSeed, told.seed_index, told.path.map(bytesOf));
  yield ["root", told.path.length === 6 && root === told.root];
}

function bestIndex() {
  if (!WITH_BEST.has(told.kind) || told.claims.length < told.shares) return -1;
  return told.claims.reduce((best, one) => (one.amount_fen > best.amount_fen ? one : best)).index;
}

function steps() {
  const seed = bytesOf(told.seed);
  const drawn = sharesOf(seed);
  const fits = told.claims.every((one, at) => one.index === at && one.amount_fen === drawn[at]);
  return [...seedSteps(seed), ["shares", fits && told.claims.length <= told.shares]];
}

// --- what is shown --------------------------------------------------------------------------------------------------

const find = (selector) => document.querySelector(selector);
const made = (tag, name, text) => Object.assign(document.createElement(tag), { className: name, textContent: text });
const seconds = (ms) => (ms / 1000).toFixed(ms < 10_000 ? 2 : 1);
const whoOf = (claim) => claim.who || (claim.is_sender ? TEXTS.sender : TEXTS.place(claim.index + 1));

function money(fen) {
  const number = (fen / 10 ** told.decimals).toFixed(told.decimals).replace(/\B(?=(\d{3})+(?!\d))/g, ",");
  return zh ? `${number}${told.unit.zh}` : `${number} ${told.unit.en}`;
}

const lastMs = Math.max(1, ...told.claims.map((one) => one.at_ms - told.sent_at_ms));
const best = bestIndex();
const taps = [];
const rows = [];

function draw() {
  const sender = told.sender ? TEXTS.from(told.sender) : "";
  document.title = [sender, told.greeting].filter(Boolean).join(" · ") || "红包";
  find(".sender").textContent = sender;
  find("h1").textContent = told.greeting || "红包";
  find("header .about").textContent = TEXTS.about(told.shares, money(told.total_fen));
  find(".moment").setAttribute("aria-label", TEXTS.moment);
  for (const claim of told.claims) {
    const tap = made("div", claim.index === best ? "tap best" : "tap", "");
    tap.style.setProperty("left", `${4 + 78 * ((claim.at_ms - told.sent_at_ms) / lastMs)}%`);
    find(".track").append(tap);
    taps.push(tap);
    const row = made("li", "", "");
    row.append(
      made("span", "number", String(claim.index + 1)),
      made("span", "who", whoOf(claim)),
      made("span", "amount", money(claim.amount_fen)),
      made("span", "when", TEXTS.after_at(seconds(claim.at_ms - told.sent_at_ms))),
    );
    if (claim.index === best) row.append(made("span", "mark", TEXTS.best));
    find(".claims").append(row);
    rows.push(row);
  }
  const left = told.shares - told.claims.length;
  find(".ending").textContent = left ? TEXTS.refunded(left) : TEXTS.finished(seconds(lastMs));
}

function prove() {
  const found = steps();
  const isFair = found.every(([, fits]) => fits);
  find(".proof h2").textContent = TEXTS.proof;
  find(".how").textContent = TEXTS.how;
  const verdict = find(".verdict");
  verdict.textContent = `${isFair ? "✓" : "✗"} ${isFair ? TEXTS.fair : TEXTS.unfair}`;
  verdict.classList.add(isFair ? "good" : "bad");
  for (const [name, fits] of found) {
    const line = made("li", "", "");
    line.append(made("span", fits ? "good" : "bad", fits ? "✓" : "✗"), made("span", "", TEXTS[`step_${name}`]));
    find(".steps").append(line);
  }
  find("summary").textContent = TEXTS.numbers;
  for (const name of ["packet_id", "commitment", "seed", "client_seed", "server_seed", "root"]) {
    if (told[name]) find("dl").append(made("dt", "", name), made("dd", "", told[name]));
  }
}

// --- the race -------------------------------------------------------------------------------------------------------

let began = 0;
let part = 1;
let isPlaying = false;

function show() {
  const now = part * lastMs;
  let opened = 0;
  told.claims.forEach((claim, at) => {
    const isIn = claim.at_ms - told.sent_at_ms <= now + 0.5;
    opened += isIn;
    taps[at].classList.toggle("in", isIn);
    rows[at].classList.toggle("in", isIn);
  });
  find(".left").textContent = String(told.shares - opened);
  find(".envelope").classList.toggle("empty", opened === told.shares);
  find(".moment").value = String(Math.round(part * 1000));
  find(".clock").textContent = TEXTS.after(seconds(now));
  find(".play").textContent = isPlaying ? TEXTS.pause : TEXTS.play;
}

function step(at) {
  if (!isPlaying) return;
  part = Math.min(1, (at - began) / PLAY_MS);
  isPlaying = part < 1;
  show();
  requestAnimationFrame(step);
}

function play() {
  isPlaying = !isPlaying;
  if (isPlaying) {
    part = part >= 1 ? 0 : part;
    began = performance.now() - part * PLAY_MS;
    requestAnimationFrame(step);
  }
  show();
}

draw();
prove();
show();
find(".play").addEventListener("click", play);
find(".moment").addEventListener("input", (event) => {
  isPlaying = false;
  part = Number(event.target.value) / 1000;
  show();
});
if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play();
