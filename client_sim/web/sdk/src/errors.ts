/** What can go wrong. A method of the client throws nothing else. */

import type { Refused, RefusalName } from "./messages.js";

/** All errors of the SDK. `temporary`: the same request may succeed later. */
export class ClientError extends Error {
  readonly temporary: boolean = false;
  readonly retryAfterMs: number = 0;
}

/** A request that cannot be written, or bytes that are none of this protocol: a value does not fit its field. */
export class MalformedMessage extends ClientError {}

/** The text is not a token. */
export class MalformedToken extends ClientError {
  constructor() {
    super("a token must look like user.issued.expiry.key-id.mac");
  }
}

/** No reply came in time: a request with a key may be asked again, and keeps its key. */
export class TimedOut extends ClientError {
  override readonly temporary = true;
}

/** The connection was lost; the client makes it again. */
export class ConnectionLost extends ClientError {
  override readonly temporary = true;

  constructor(message: string, override readonly retryAfterMs = 0) {
    super(message);
  }
}

/** The server has ended the connection and says not to come back: the token has expired, the user is banned, …. */
export class ConnectionRefusedForGood extends ClientError {
  constructor(readonly code: number, readonly reason: string, detail: string) {
    super(`${code} ${reason}: ${detail}`);
  }
}

/** The app has closed the client. */
export class ClientClosed extends ClientError {
  constructor() {
    super("the client was closed");
  }
}

/** The server has refused a request. `reason` is the stable name of its code. */
export class Refusal extends ClientError {
  readonly code: number;
  readonly reason: RefusalName;
  override readonly temporary: boolean;
  override readonly retryAfterMs: number;
  readonly detail: string;

  constructor(refused: Refused) {
    super(refused.detail ? `${refused.name}: ${refused.detail}` : refused.name);
    this.code = refused.code;
    this.reason = refused.name as RefusalName;
    this.temporary = refused.temporary;
    this.retryAfterMs = refused.retry_after_ms;
    this.detail = refused.detail;
  }

  /** Of code_wrong, password_wrong and words_wrong: the attempts left. */
  get attemptsLeft(): number {
    return lastNumber(this.detail);
  }

  /** Of password_locked: until when no password is accepted, in ms since 1970. */
  get lockedUntilMs(): number {
    return lastNumber(this.detail);
  }
}

/** For these reasons a request is refused before its key is looked for, or for the way of paying alone: they do not say
 * what an earlier request with the same key has done. */
const SAY_NOTHING: readonly RefusalName[] = ["key_reused", "password_needed", "needs_tls"];

/** Whether an error says what has become of a request that moves money. Only a refusal for good does: after a timeout, a
 * lost connection, or a login that has ended meanwhile, the money may have moved. */
export function isOutcome(error: unknown): error is Refusal {
  return error instanceof Refusal && !error.temporary && !SAY_NOTHING.includes(error.reason);
}

/** Whether an error is a refusal for one of these reasons. */
export function isRefused(error: unknown, ...reasons: RefusalName[]): error is Refusal {
  return error instanceof Refusal && reasons.includes(error.reason);
}

function lastNumber(text: string): number {
  return Number(/(\d+)\D*$/.exec(text)?.[1] ?? 0);
}
