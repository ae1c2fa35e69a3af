// Check the proof of a campaign in Node, without dependencies: node verify_pool.mjs PROOF.json
//
// The same as verify_pool.py, which explains the file. The formulas: docs/protocol.md, section 10.

import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

const PPM = 1000000n, BLOCK = 256n;
const number = (value, size) => Buffer.from(BigInt(value).toString(16).padStart(2 * size, "0"), "hex");
const hex = (text) => Buffer.from(text, "hex");
const joined = (parts) => Buffer.concat(parts.map((part) => Buffer.from(part)));
const prefixed = (text) => joined([number(text.length, 1), text]);
const sha256 = (...parts) => createHash("sha256").update(joined(parts)).digest();
const hmac = (key, ...parts) => createHmac("sha256", key).update(joined(parts)).digest();
const integer = (bytes) => BigInt(`0x${bytes.toString("hex")}`);
const gcd = (a, b) => (b ? gcd(b, a % b) : a);
const sum = (numbers) => numbers.reduce((before, one) => before + one, 0n);
const [most, least] = [(a, b) => (a > b ? a : b), (a, b) => (a < b ? a : b)];

function poolOf(deck, seed) {
  const [title, head, ...lines] = deck.replace(/\n$/, "").split("\n");
  const [scheme, ...counts] = head.split(" ");
  if (title !== "hongbao deck 1" || !["bands", "draws"].includes(scheme)) throw new Error("no deck");
  const [size, ...terms] = counts.map(BigInt);
  const bands = lines.map((line) => line.split(" ").map(BigInt)).map(([low, high, ppm]) => (
    { low, width: high - low + 1n, quota: (size * ppm) / PPM, remainder: (size * ppm) % PPM }));
  const places = () => Number(sum(bands.map((band) => band.quota)));
  if (scheme === "bands") {
    const byRemainder = [...bands].sort((one, other) => Number(other.remainder - one.remainder));
    for (const band of byRemainder.slice(0, Number(size) - places())) band.quota += 1n;
  }
  const inBands = sum(bands.map(
    ({ low, width, quota: q }) => q * low + ((q - 1n) * (width - 1n) + gcd(q, width) - 1n) / 2n));
  const [total, smallest, largest] = scheme === "draws" ? terms : [inBands];
  const a = BigInt(Math.ceil(Math.sqrt(Number(size)))); // exact: a pool has 2^32 numbers at most
  const sizes = [a, (size + a - 1n) / a];

  const permuted = (value, sign) => { // the place of a number, or (-1n) the number of a place
    do {
      const halves = [value % a, value / a]; // left, right
      for (let step = 0; step < 12; step += 1) {
        const turn = sign > 0n ? step : 11 - step, here = turn % 2;
        const f = sign * integer(hmac(seed, "permutation", number(turn, 1), number(halves[1 - here], 4)));
        halves[here] = (((halves[here] + f) % sizes[here]) + sizes[here]) % sizes[here];
      }
      value = halves[1] * a + halves[0];
    } while (value >= size);
    return value;
  };
  const planted = [...Array(scheme === "draws" ? places() : 0).keys()].map((place) => permuted(BigInt(place), -1n));
  const ranks = size - BigInt(planted.length), money = total - inBands;
  const drawn = (wanted) => { // the amount of a rank, from the beginning of its block
    const low = (wanted / BLOCK) * BLOCK, high = least(low + BLOCK, ranks);
    let left = (money * high) / ranks - (money * low) / ranks, share;
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
    let place = permuted(of, 1n);
    for (const { low, width, quota } of bands) {
      if (place < quota) return low + (place * width) / quota;
      place -= quota;
    }
    return drawn(of - BigInt(planted.filter((one) => one < of).length));
  };
  const ends = bands.flatMap(({ low, width, quota }) => [low, low + ((quota - 1n) * width) / quota]);
  if (scheme === "draws") ends.push(smallest, largest);
  const figures = [number(total, 8), number(size, 4), number(ends.reduce(least), 8), number(ends.reduce(most), 8)];
  return { size, total, figures, amount };
}

export function faults(proof) {
  const [serverSeed, clientSeed, seed] = [proof.server_seed, proof.client_seed, proof.seed].map(hex);
  const n = BigInt(proof.seed_index), pool = poolOf(proof.deck, seed);
  const content = [prefixed(`pool:${sha256(proof.deck).toString("hex")}`), ...pool.figures];
  const derived = hmac(serverSeed, number(proof.sponsor_id, 8), number(n, 8), prefixed(clientSeed), ...content);
  const committed = sha256("hongbao commitment 2", seed, number(proof.campaign_id, 8), ...content);
  const top = proof.path.map(hex).reduce((here, neighbour, depth) => (
    sha256(number(1, 1), ...((n >> BigInt(depth)) & 1n ? [neighbour, here] : [here, neighbour]))
  ), sha256(number(0, 1), serverSeed));
  const found = Object.entries({
    "the server seed is not in the tree of this root": proof.path.length === 6 && top.equals(hex(proof.root)),
    "the root is not the one that was told before the campaign": (proof.told_root ?? proof.root) === proof.root,
    "the client seed is not mine": (proof.my_client_seed ?? proof.client_seed) === proof.client_seed,
    "the seed does not follow from the server seed, the client's and the deck": derived.equals(seed),
    "seed and deck do not fit the commitment": committed.equals(hex(proof.commitment)),
  }).flatMap(([why, holds]) => (holds ? [] : [why]));

  const won = new Set(), wins = proof.wins.map((win) => win.map(BigInt));
  for (const [of, amount] of wins) {
    if (of < 0n || of >= pool.size) found.push(`the pool has no number ${of}`);
    else if (won.has(of)) found.push(`number ${of} was won twice`);
    else if (amount !== pool.amount(of)) found.push(`number ${of} is ${amount}, the seed says ${pool.amount(of)}`);
    won.add(of);
  }
  const isWrong = BigInt(won.size) === pool.size && sum(wins.map(([, amount]) => amount)) !== pool.total;
  if (isWrong) found.push(`all numbers were won, and their sum is not ${pool.total}`);
  return found;
}

// campaign ids are larger than the exact integers of JSON.parse: they are read as text
const text = readFileSync(process.argv[2], "utf8").replace(/"campaign_id": ?(\d+)/g, '"campaign_id": "$1"');
const results = [JSON.parse(text)].flat().map((proof) => [proof.campaign_id, faults(proof)]);
for (const [campaignId, found] of results) console.log(`campaign ${campaignId}: ${found.join("; ") || "ok"}`);
process.exit(results.some(([, found]) => found.length) ? 1 : 0);
