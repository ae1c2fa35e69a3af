/** How shares are drawn from a seed. The formula is in docs/protocol.md, "The shares". */

import { big, hmac, toHex } from "./sha256.js";

/** All shares of a total in fen, in the order of opening; `first`: the number of the first one. The last is the rest. */
export function drawnShares(
  seed: Uint8Array, totalFen: bigint, shares: number, least: bigint, most: bigint, first = 0,
): bigint[] {
  const drawn: bigint[] = [];
  let left = totalFen;
  for (let index = 0; index < shares - 1; index++) {
    const unopened = BigInt(shares - index);
    const digest = toHex(hmac(seed, big(first + index, 4)));
    const [n, r] = [BigInt(`0x${digest.slice(0, 32)}`), BigInt(`0x${digest.slice(32)}`)];
    const m = (2n * left + (r % unopened)) / unopened;
    const low = m - most > least ? m - most : least;
    const high = m - least < most ? m - least : most;
    const share = low + (n % (high - low + 1n));
    drawn.push(share);
    left -= share;
  }
  return [...drawn, left];
}
