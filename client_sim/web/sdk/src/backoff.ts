/** How long to wait before the next attempt, and when to give up. */

import { ClientError } from "./errors.js";

/** Delays that double from `firstMs` to `mostMs`, each shortened at random by up to half: all clients of a server
 * that went down would come back at the same moment otherwise. */
export class Backoff {
  private nextMs: number;

  constructor(private readonly firstMs: number, private readonly mostMs: number) {
    this.nextMs = firstMs;
  }

  /** How long to wait now; the next wait is about twice as long. */
  delayMs(): number {
    const delay = this.nextMs * (0.5 + Math.random() / 2);
    this.nextMs = Math.min(2 * this.nextMs, this.mostMs);
    return delay;
  }

  /** The last attempt succeeded. */
  reset(): void {
    this.nextMs = this.firstMs;
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** Ask again after each temporary failure, at least as late as it says. Other failures are thrown at once, a temporary
 * one when `patienceMs` would be exceeded. */
export async function patiently<Answer>(ask: () => Promise<Answer>, patienceMs: number): Promise<Answer> {
  const giveUpAt = performance.now() + patienceMs;
  const backoff = new Backoff(10, 500);
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof ClientError) || !error.temporary) throw error;
      const waitMs = error.retryAfterMs + backoff.delayMs();
      if (performance.now() + waitMs > giveUpAt) throw error;
      await sleep(waitMs);
    }
  }
}
