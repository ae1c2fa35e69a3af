// Check the proof of a campaign in Node, without dependencies: node verify_pool.mjs PROOF.json
//
// The same as verify_pool.py, which explains the file. The formulas: docs/protocol.md, section 10.

import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const PPM = 1000000n, BLOCK = 256n;
const number = (value, size) => Buffer.from(BigInt(value).toString(16).padStart(2 * size, "0"), "hex");
const prefixed = (text) => Buffer.concat([number(text.length, 1), text]);
const hex = (text) => Buffer.from(text, "hex");
const sha256 = (...parts) => createHash("sha256").update(Buffer.concat(parts)).digest();
const hmac = (key, ...parts) => createHmac("sha256", key).update(Buffer.concat(parts)).digest();
const integer = (bytes) => BigInt(`0x${bytes.toString("hex")}`);
const gcd = (a, b) => (b ? gcd(b, a % b) : a);
const [most, least] = [(a, b) => (a > b ? a : b), (a, b) => (a < b ? a : b)];

function root(value) { // the smallest a with a·a ≥ value
  let a = BigInt(Math.ceil(Math.sqrt(Number(value))));
  while (a * a < value) a += 1n;
  while ((a - 1n) * (a - 1n) >= value) a -= 1n;
  return a;
}

function poolOf(deck, seed) {
  const [title, head, ...lines] = deck.replace(/\n$/, "").split("\n");
  const [scheme, ...counts] = head.split(" ");
  if (title !== "hongbao deck 1" || !["bands", "draws"].includes(scheme)) throw new Error("no deck");
  const [size, ...terms] = counts.map(BigInt);
  const bands = lines.map((line) => line.split(" ").map(BigInt));
  const quotas = bands.map(([, , ppm]) => (size * ppm) / PPM);
  if (scheme === "bands") {
    const remainder = (band) => (size * bands[band][2]) % PPM;
    const order = [...bands.keys()].sort((one, other) => Number(remainder(other) - remainder(one)));
    const rest = Number(size - quotas.reduce((sum, quota) => sum + quota, 0n));
    for (const band of order.slice(0, rest)) quotas[band] += 1n;
  }
  const a = root(size), b = (size + a - 1n) / a, ends = [];
  let total = 0n;
  bands.forEach(([low, high], band) => {
    const [quota, width] = [quotas[band], high - low + 1n];
    ends.push(low, low + ((quota - 1n) * width) / quota);
    total += quota * low + ((quota - 1n) * (width - 1n) + gcd(quota, width) - 1n) / 2n;
  });

  const permuted = (value, turns, sign) => {
    do {
      let [left, right] = [value % a, value / a];
      for (const turn of turns) {
        const f = sign * integer(hmac(seed, Buffer.from("permutation"), number(turn, 1), number(turn % 2 ? left : right, 4)));
        if (turn % 2) right = (((right + f) % b) + b) % b;
        else left = (((left + f) % a) + a) % a;
      }
      value = right * a + left;
    } while (value >= size);
    return value;
  };
  const turns = [...Array(12).keys()];
  const drawn = (wanted) => {
    const low = (wanted / BLOCK) * BLOCK, high = least(low + BLOCK, plain);
    let left = (money * high) / plain - (money * low) / plain, share;
    for (let rank = low; rank <= wanted; rank += 1n) {
      const k = high - rank, digest = hmac(seed, number(rank, 4));
      const m = (2n * left + (integer(digest.subarray(16)) % k)) / k;
      const floor = most(smallest, m - largest), top = least(largest, m - smallest);
      share = k === 1n ? left : floor + (integer(digest.subarray(0, 16)) % (top - floor + 1n));
      left -= share;
    }
    return share;
  };
  const amount = (of) => {
    let place = permuted(of, turns, 1n);
    for (const [band, [low, high]] of bands.entries()) {
      if (place < quotas[band]) return low + (place * (high - low + 1n)) / quotas[band];
      place -= quotas[band];
    }
    return drawn(of - BigInt(planted.filter((one) => one < of).length));
  };

  let planted = [], plain, money, smallest, largest;
  if (scheme === "draws") {
    const places = quotas.reduce((sum, quota) => sum + quota, 0n);
    for (let place = 0n; place < places; place += 1n) planted.push(permuted(place, [...turns].reverse(), -1n));
    [plain, money, total, smallest, largest] = [size - places, terms[0] - total, ...terms];
    ends.push(smallest, largest);
  }
  return { size, total, smallest: ends.reduce(least), largest: ends.reduce(most), amount };
}

export function faults(proof) {
  const found = [], n = BigInt(proof.seed_index), seed = hex(proof.seed), pool = poolOf(proof.deck, seed);
  const kind = prefixed(Buffer.from(`pool:${sha256(Buffer.from(proof.deck)).toString("hex")}`));
  const amounts = [number(pool.total, 8), number(pool.size, 4), number(pool.smallest, 8), number(pool.largest, 8)];
  let here = sha256(number(0, 1), hex(proof.server_seed));
  proof.path.map(hex).forEach((neighbour, depth) => {
    here = sha256(number(1, 1), ...((n >> BigInt(depth)) & 1n ? [neighbour, here] : [here, neighbour]));
  });
  if (proof.path.length !== 6 || here.toString("hex") !== proof.root) found.push("the server seed is not in the tree of this root");
  if ((proof.told_root ?? proof.root) !== proof.root) found.push("the root is not the one that was told before the campaign");
  if ((proof.my_client_seed ?? proof.client_seed) !== proof.client_seed) found.push("the client seed is not mine");
  const given = hmac(hex(proof.server_seed), number(proof.sponsor_id, 8), number(n, 8), prefixed(hex(proof.client_seed)), kind, ...amounts);
  if (!given.equals(seed)) found.push("the seed does not follow from the server seed, the client's and the deck");
  const committed = sha256(Buffer.from("hongbao commitment 2"), seed, number(proof.campaign_id, 8), kind, ...amounts);
  if (committed.toString("hex") !== proof.commitment) found.push("seed and deck do not fit the commitment");

  const won = new Set();
  let sum = 0n;
  for (const [of, amount] of proof.wins.map((win) => win.map(BigInt))) {
    if (of < 0n || of >= pool.size) found.push(`the pool has no number ${of}`);
    else if (won.has(of)) found.push(`number ${of} was won twice`);
    else if (amount !== pool.amount(of)) found.push(`number ${of} is ${amount}, the seed says ${pool.amount(of)}`);
    won.add(of);
    sum += amount;
  }
  if (BigInt(won.size) === pool.size && sum !== pool.total) found.push(`all numbers were won, and their sum is not ${pool.total}`);
  return found;
}

// campaign ids are larger than the exact integers of JSON.parse: they are read as text
const text = readFileSync(process.argv[2], "utf8").replace(/"campaign_id": ?(\d+)/g, '"campaign_id": "$1"');
const proofs = [JSON.parse(text)].flat();
let wrong = 0;
for (const proof of proofs) {
  const found = faults(proof);
  wrong += found.length > 0;
  console.log(`campaign ${proof.campaign_id}: ${found.join("; ") || "ok"}`);
}
process.exit(wrong ? 1 : 0);
