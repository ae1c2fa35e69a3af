/**
 * Idempotency keys: made here, and kept while the outcome of their request is unknown.
 *
 * A send that timed out may have moved money. If the app sends the same content again, that is a retry: it gets the
 * same key, and money moves once. Two equal sends in flight at once have two keys: they are two packets.
 *
 * A phone ends a tab in the background without a word, so a key is stored before its request leaves, and is dropped
 * when the outcome is known. What another tab has stored counts as unknown until that tab has dropped it: what is stored
 * is read again each time, and no tab writes over what another one keeps.
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
  private unsettled: Stored[] = [];
  private readonly inFlight = new Set<string>(); // of this tab
  private readonly name: string;
  private isWritten = true; // all of them could be stored

  constructor(userId: number, private readonly storage?: KeyStorage) {
    this.name = `${STORED_AS}.${userId}`;
  }

  /** The key of an earlier request with this content and an unknown outcome, otherwise a new key. */
  take(content: Uint8Array): string {
    const digest = toHex(sha256(content));
    this.refresh();
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
    this.refresh();
    this.inFlight.delete(key);
    this.store();
  }

  /** The outcome of the request with this key is known. */
  settle(key: string): void {
    this.inFlight.delete(key);
    this.refresh();
    this.unsettled = this.unsettled.filter((one) => one.key !== key);
    this.store();
  }

  /** What other tabs have stored and dropped meanwhile; what is too old is forgotten, in this tab as well. */
  private refresh(): void {
    const stored = this.stored();
    const isStored = (one: Stored) => stored?.some((other) => other.key === one.key) ?? false;
    const isMine = (one: Stored) => stored === undefined || !this.isWritten || this.inFlight.has(one.key);
    this.unsettled = [...(stored ?? []), ...this.unsettled.filter((one) => !isStored(one) && isMine(one))].filter(
      (one) => Date.now() - one.atMs < STORED_MS || this.inFlight.has(one.key),
    );
  }

  /** What is stored; undefined: nothing, or it cannot be read. */
  private stored(): Stored[] | undefined {
    try {
      const found: unknown = JSON.parse(this.storage?.getItem(this.name) ?? "null");
      return Array.isArray(found) ? (found as Stored[]) : undefined;
    } catch {
      return undefined; // storage is refused, or another program wrote there
    }
  }

  private store(): void {
    try {
      this.storage?.setItem(this.name, JSON.stringify(this.unsettled.slice(-STORED_MAX)));
      this.isWritten = true;
    } catch {
      this.isWritten = false; // a private window, or no room: the keys live as long as the tab
    }
  }
}
