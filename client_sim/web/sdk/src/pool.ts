/**
 * The pool of a campaign: what each of its numbers is worth, by its deck and its seed. The formulas are in
 * docs/protocol.md, "The pool of a campaign"; no code of the server is used.
 *
 * Numbers have places by a permutation; places have amounts by the deck. Amounts are whole fen.
 */

import { drawnShares } from "./shares.js";
import { big, hmac, joined, sha256, toHex } from "./sha256.js";

export const POOL_KIND = "pool:";
const UTF8 = new TextEncoder();
const PPM = 1_000_000n;
const BLOCK = 256n;
const ROUNDS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
const PERMUTATION = UTF8.encode("permutation");
const DECK = /^hongbao deck 1\n(bands|draws) (\d+(?: \d+)*)((?:\n\d+ \d+ \d+)*)\n$/;
const PLANTED_MAX = 100_000n; // each planted number costs a walk through the permutation

/** The text is no deck. */
export class MalformedDeck extends Error {}

interface Band {
  low: bigint;
  high: bigint;
  ppm: bigint;
  quota: bigint;
}

/** The kind that stands for a deck in seed and commitment. */
export function poolKind(deck: Uint8Array): string {
  return POOL_KIND + toHex(sha256(deck));
}

export class RevealedPool {
  readonly shares: bigint;
  readonly totalFen: bigint;
  readonly shareFenMin: bigint;
  readonly shareFenMax: bigint;
  private readonly bands: Band[];
  private readonly planted: bigint[] = []; // numbers with a place in a band, if all others are drawn
  private readonly drawn: { fen: bigint; numbers: bigint; low: bigint; high: bigint } | undefined;
  private readonly width: bigint; // of the halves of the permutation
  private readonly height: bigint;

  /** Throws MalformedDeck. */
  constructor(deck: Uint8Array, private readonly seed: Uint8Array) {
    const { isDrawn, shares, terms, bands } = parsed(deck);
    this.shares = shares;
    this.width = rootUp(shares);
    this.height = (shares + this.width - 1n) / this.width;
    this.bands = isDrawn ? bands.map((band) => ({ ...band, quota: (shares * band.ppm) / PPM })) : withQuotas(shares, bands);
    if (this.bands.some((band) => band.quota < 1n)) throw new MalformedDeck("a band has no number");
    const placed = this.bands.reduce((sum, band) => sum + sumOf(band), 0n);
    const limits = this.bands.flatMap((band) => [band.low, lastOf(band)]);
    this.totalFen = placed;
    if (isDrawn) {
      const [total, low, high] = terms as [bigint, bigint, bigint];
      const places = this.bands.reduce((sum, band) => sum + band.quota, 0n);
      if (places > PLANTED_MAX || places >= shares) throw new MalformedDeck("too many numbers are planted");
      for (let place = 0n; place < places; place++) this.planted.push(this.walk(place, [...ROUNDS].reverse(), -1n));
      this.totalFen = total;
      this.drawn = { fen: total - placed, numbers: shares - places, low, high };
      limits.push(low, high);
    }
    this.shareFenMin = limits.reduce((one, other) => (one < other ? one : other));
    this.shareFenMax = limits.reduce((one, other) => (one > other ? one : other));
  }

  /** What a number 0 … shares−1 is worth. */
  amount(number: bigint): bigint {
    let place = this.walk(number, ROUNDS, 1n);
    for (const { low, high, quota } of this.bands) {
      if (place < quota) return low + (place * (high - low + 1n)) / quota;
      place -= quota;
    }
    const { fen, numbers, low, high } = this.drawn!;
    const rank = number - BigInt(this.planted.filter((one) => one < number).length);
    const first = (rank / BLOCK) * BLOCK;
    const after = first + BLOCK < numbers ? first + BLOCK : numbers;
    const left = (fen * after) / numbers - (fen * first) / numbers;
    return drawnShares(this.seed, left, Number(after - first), low, high, Number(first))[Number(rank - first)]!;
  }

  /** Through all rounds, again until the result is a number of the pool. */
  private walk(value: bigint, turns: readonly number[], sign: bigint): bigint {
    const within = (sum: bigint, of: bigint) => ((sum % of) + of) % of;
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

function parsed(deck: Uint8Array): { isDrawn: boolean; shares: bigint; terms: bigint[]; bands: Omit<Band, "quota">[] } {
  const [, scheme, head = "", lines = ""] = DECK.exec(new TextDecoder().decode(deck)) ?? [];
  const numbers = (line: string) => line.split(" ").map(BigInt);
  const [shares = 0n, ...terms] = numbers(head);
  const isDrawn = scheme === "draws";
  if (!shares || terms.length !== (isDrawn ? 3 : 0)) throw new MalformedDeck("the deck is of no known scheme");
  const bands = (lines.match(/\d.*/g) ?? []).map((line) => {
    const [low, high, ppm] = numbers(line) as [bigint, bigint, bigint];
    return { low, high, ppm };
  });
  return { isDrawn, shares, terms, bands };
}

/** How many numbers each band has: rounded down, and what is left to the largest remainders. */
function withQuotas(shares: bigint, bands: Omit<Band, "quota">[]): Band[] {
  const found = bands.map((band) => ({ ...band, quota: (shares * band.ppm) / PPM }));
  const remainder = (band: Band) => (shares * band.ppm) % PPM;
  const rest = Number(shares - found.reduce((sum, band) => sum + band.quota, 0n));
  const byRemainder = [...found].sort((one, other) => Number(remainder(other) - remainder(one)));
  for (const band of byRemainder.slice(0, Math.max(0, rest))) band.quota += 1n;
  return found;
}

const lastOf = ({ low, high, quota }: Band) => low + ((quota - 1n) * (high - low + 1n)) / quota;

function sumOf({ low, high, quota }: Band): bigint {
  const width = high - low + 1n;
  return quota * low + ((quota - 1n) * (width - 1n) + divisor(quota, width) - 1n) / 2n;
}

function divisor(one: bigint, other: bigint): bigint {
  return other ? divisor(other, one % other) : one;
}

/** The smallest whole number whose square is not below this one. */
function rootUp(value: bigint): bigint {
  let root = BigInt(Math.ceil(Math.sqrt(Number(value))));
  while (root * root < value) root += 1n;
  while ((root - 1n) * (root - 1n) >= value) root -= 1n;
  return root;
}
