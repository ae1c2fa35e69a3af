/**
 * The proof of a packet, checked: the seed, the commitment and every share are recomputed from what was revealed.
 * The formulas are in docs/protocol.md, section 10; no code of the server is used.
 */

import type { Revealed } from "./messages.js";
import { MalformedDeck, POOL_KIND, poolKind, RevealedPool } from "./pool.js";
import { big, hmac, joined, sha256, toHex } from "./sha256.js";
import { drawnShares } from "./shares.js";

const UTF8 = new TextEncoder();
const PATH_HASHES = 6;
const WITH_BEST_LUCK: readonly string[] = ["lucky", "password", "enterprise_lucky"];
const DRAWN: readonly string[] = [...WITH_BEST_LUCK, "fission"];

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
  return drawnShares(seed, BigInt(total_fen), shares, BigInt(share_fen_min), BigInt(share_fen_max)).map(Number);
}

/** Whether it is the proof of a campaign: its claims are those of the reader. */
export const isPool = (revealed: Revealed) => revealed.packet_kind.startsWith(POOL_KIND);

/** What the claims must be in fen, by the seed: of a campaign each by its number in the pool. Undefined: there is no
 * such share, or the deck of a campaign cannot be read. */
export function dueOf(revealed: Revealed): (number | undefined)[] {
  if (!isPool(revealed)) {
    const drawn = sharesOf(revealed);
    return revealed.claims.map((one) => drawn[one.index]);
  }
  try {
    const pool = new RevealedPool(revealed.deck, revealed.seed);
    const isThere = (index: number) => index >= 0 && BigInt(index) < pool.shares;
    return revealed.claims.map(({ index }) => (isThere(index) ? Number(pool.amount(BigInt(index))) : undefined));
  } catch (error) {
    if (isBadDeck(error)) return revealed.claims.map(() => undefined);
    throw error;
  }
}

/** A deck that cannot be read, or whose amounts do not fit each other: a division by zero. */
const isBadDeck = (error: unknown) => error instanceof MalformedDeck || error instanceof RangeError;

/** Whether total, shares and limits of a campaign are those of its deck, and the deck is the one in its kind. */
function fitsDeck(revealed: Revealed): boolean {
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

/** The index of the largest claim, the earliest on a tie (手气最佳); -1 without one, or if shares are left. */
export function bestIndex(revealed: Revealed): number {
  if (!WITH_BEST_LUCK.includes(revealed.packet_kind) || revealed.claims.length < revealed.shares) return -1;
  return revealed.claims.reduce((best, one) => (one.amount_fen > best.amount_fen ? one : best)).index;
}

/** What a proof shows, step by step; `fits`: the step holds. */
export interface ProofStep {
  name: "root" | "seed" | "commitment" | "deck" | "shares" | "best";
  fits: boolean;
}

/** Every step of the proof. It was fair if all of them fit. */
export function stepsOf(revealed: Revealed): ProofStep[] {
  const { seed_index, server_seed, path, root } = revealed;
  const committed = { name: "commitment" as const, fits: same(commitment(revealed), revealed.commitment) };
  const steps: ProofStep[] = [committed, ...(isPool(revealed) ? stepsOfPool(revealed) : stepsOfShares(revealed))];
  if (seed_index < 0) return steps;
  const isRooted = path.length === PATH_HASHES && same(rootOf(server_seed, seed_index, path), root);
  return [{ name: "root", fits: isRooted }, { name: "seed", fits: same(packetSeed(revealed), revealed.seed) }, ...steps];
}

function stepsOfShares(revealed: Revealed): ProofStep[] {
  const { claims, shares, state } = revealed;
  const due = dueOf(revealed);
  const isNumbered = claims.every((one, at) => one.index === at) && claims.length <= shares;
  const isComplete = (claims.length === shares) === (state === "finished");
  return [
    { name: "shares", fits: isNumbered && isComplete && claims.every((one, at) => one.amount_fen === due[at]) },
    { name: "best", fits: bestIndex(revealed) === revealed.best_index },
  ];
}

function stepsOfPool(revealed: Revealed): ProofStep[] {
  const { claims } = revealed;
  const due = dueOf(revealed);
  const isOnce = new Set(claims.map((one) => one.index)).size === claims.length;
  return [
    { name: "deck", fits: fitsDeck(revealed) },
    { name: "shares", fits: isOnce && claims.every((one, at) => one.amount_fen === due[at]) },
  ];
}
