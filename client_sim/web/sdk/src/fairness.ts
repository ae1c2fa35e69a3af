/**
 * The proof of a packet, checked: the seed, the commitment and every share are recomputed from what was revealed.
 * The formulas are in docs/protocol.md, section 10; no code of the server is used.
 */

import type { Revealed } from "./messages.js";
import { hmac, joined, sha256, toHex } from "./sha256.js";

const UTF8 = new TextEncoder();
const PATH_HASHES = 6;
const WITH_BEST_LUCK: readonly string[] = ["lucky", "password", "enterprise_lucky"];
const DRAWN: readonly string[] = [...WITH_BEST_LUCK, "fission"];

/** An unsigned big-endian number of so many bytes. */
function big(value: number | bigint, bytes: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(value));
  return new Uint8Array(view.buffer).slice(8 - bytes);
}

const prefixed = (bytes: Uint8Array) => joined(Uint8Array.of(bytes.length), bytes);
const kindOf = (revealed: Revealed) => prefixed(UTF8.encode(revealed.packet_kind));
const same = (one: Uint8Array, other: Uint8Array) => toHex(one) === toHex(other);

function amounts(revealed: Revealed): Uint8Array {
  const { total_fen, shares, share_fen_min, share_fen_max } = revealed;
  return joined(big(total_fen, 8), big(shares, 4), big(share_fen_min, 8), big(share_fen_max, 8));
}

/** The seed that follows from the server seed and the client's. */
export function packetSeed(revealed: Revealed): Uint8Array {
  const { sender_id, seed_index, client_seed, server_seed } = revealed;
  const numbers = [big(sender_id, 8), big(seed_index, 8)];
  return hmac(server_seed, ...numbers, prefixed(client_seed), kindOf(revealed), amounts(revealed));
}

/** What the server must have published at the send. */
export function commitment(revealed: Revealed): Uint8Array {
  const { seed, packet_id, total_fen, shares } = revealed;
  if (revealed.seed_index < 0) return sha256(seed, big(packet_id, 8), big(total_fen, 8), big(shares, 4));
  return sha256(UTF8.encode("hongbao commitment 2"), seed, big(packet_id, 8), kindOf(revealed), amounts(revealed));
}

/** The root of the tree in which a server seed has this path. */
export function rootOf(serverSeed: Uint8Array, index: number, path: readonly Uint8Array[]): Uint8Array {
  let here = sha256(Uint8Array.of(0), serverSeed);
  path.forEach((neighbour, depth) => {
    const isRight = Math.floor(index / 2 ** depth) % 2 === 1;
    here = isRight ? sha256(Uint8Array.of(1), neighbour, here) : sha256(Uint8Array.of(1), here, neighbour);
  });
  return here;
}

/** Every share of the packet in fen, opened or not, in the order of opening. */
export function sharesOf(revealed: Revealed): number[] {
  const { total_fen, shares, share_fen_min, share_fen_max, seed } = revealed;
  if (!DRAWN.includes(revealed.packet_kind)) return Array<number>(shares).fill(Math.floor(total_fen / shares));
  const drawn: number[] = [];
  let left = BigInt(total_fen);
  const [least, most] = [BigInt(share_fen_min), BigInt(share_fen_max)];
  for (let index = 0; index < shares - 1; index++) {
    const unopened = BigInt(shares - index);
    const digest = toHex(hmac(seed, big(index, 4)));
    const [n, r] = [BigInt(`0x${digest.slice(0, 32)}`), BigInt(`0x${digest.slice(32)}`)];
    const m = (2n * left + (r % unopened)) / unopened;
    const low = m - most > least ? m - most : least;
    const high = m - least < most ? m - least : most;
    const share = low + (n % (high - low + 1n));
    drawn.push(Number(share));
    left -= share;
  }
  return [...drawn, Number(left)];
}

/** The index of the largest claim, the earliest on a tie (手气最佳); -1 without one, or if shares are left. */
export function bestIndex(revealed: Revealed): number {
  if (!WITH_BEST_LUCK.includes(revealed.packet_kind) || revealed.claims.length < revealed.shares) return -1;
  return revealed.claims.reduce((best, one) => (one.amount_fen > best.amount_fen ? one : best)).index;
}

/** What a proof shows, step by step; `fits`: the step holds. */
export interface ProofStep {
  name: "root" | "seed" | "commitment" | "shares" | "best";
  fits: boolean;
}

/** Every step of the proof. It was fair if all of them fit. */
export function stepsOf(revealed: Revealed): ProofStep[] {
  const { seed_index, server_seed, path, root, claims, shares, state } = revealed;
  const drawn = sharesOf(revealed);
  const isNumbered = claims.every((one, at) => one.index === at) && claims.length <= shares;
  const isComplete = (claims.length === shares) === (state === "finished");
  const steps: ProofStep[] = [
    { name: "commitment", fits: same(commitment(revealed), revealed.commitment) },
    { name: "shares", fits: isNumbered && isComplete && claims.every((one, at) => one.amount_fen === drawn[at]) },
    { name: "best", fits: bestIndex(revealed) === revealed.best_index },
  ];
  if (seed_index < 0) return steps;
  const isRooted = path.length === PATH_HASHES && same(rootOf(server_seed, seed_index, path), root);
  return [{ name: "root", fits: isRooted }, { name: "seed", fits: same(packetSeed(revealed), revealed.seed) }, ...steps];
}
