/**
 * Idempotency keys: made here, and kept while the outcome of their request is unknown.
 *
 * A send that timed out may have moved money. If the app sends the same content again, that is a retry: it gets the
 * same key, and money moves once. Two equal sends in flight at once have two keys: they are two packets.
 *
 * A phone ends a tab in the background without a word, so a key is stored before its request leaves, and is dropped
 * when the outcome is known. What was stored by an earlier tab counts as unknown.
 */

import { randomBytes, sha256, toHex } from "./sha256.js";

/** Where keys survive the tab: `localStorage`, or anything like it. */
export type KeyStorage = Pick<Storage, "getItem" | "setItem">;

const STORED_AS = "hongbao.keys";
const STORED_MAX = 100;
const STORED_MS = 3_600_000; // after an hour the same content is rather meant as another request

interface Stored {
  content: string;
  key: string;
  atMs: number;
}

export class IdempotencyKeys {
  private readonly unsettled: Stored[];
  private readonly inFlight = new Set<string>();
  private readonly name: string;

  constructor(userId: number, private readonly storage?: KeyStorage) {
    this.name = `${STORED_AS}.${userId}`;
    this.unsettled = this.stored();
  }

  /** The key of an earlier request with this content and an unknown outcome, otherwise a new key. */
  take(content: Uint8Array): string {
    const digest = toHex(sha256(content));
    const kept = this.unsettled.find((one) => one.content === digest && !this.inFlight.has(one.key));
    const key = kept?.key ?? toHex(randomBytes(16));
    this.inFlight.add(key);
    if (kept === undefined) {
      this.unsettled.push({ content: digest, key, atMs: Date.now() });
      this.store();
    }
    return key;
  }

  /** The outcome of the request with this key is unknown: the same content gets it again. */
  keep(key: string): void {
    this.inFlight.delete(key);
  }

  /** The outcome of the request with this key is known. */
  settle(key: string): void {
    this.inFlight.delete(key);
    const at = this.unsettled.findIndex((one) => one.key === key);
    if (at >= 0) this.unsettled.splice(at, 1);
    this.store();
  }

  private stored(): Stored[] {
    try {
      const found = JSON.parse(this.storage?.getItem(this.name) ?? "[]") as Stored[];
      return found.filter((one) => Date.now() - one.atMs < STORED_MS);
    } catch {
      return []; // storage is refused, or another program wrote there
    }
  }

  private store(): void {
    try {
      this.storage?.setItem(this.name, JSON.stringify(this.unsettled.slice(-STORED_MAX)));
    } catch {
      return; // a private window, or no room: the keys live as long as the tab
    }
  }
}
