/** Requests that wait for their replies. */

import { ClientError, Refusal, TimedOut } from "./errors.js";
import type { AnyMessage, RequestName } from "./messages.js";

const SEQ_MAX = 2 ** 32 - 1;

/** Sent twice, these would take effect twice: they carry no idempotency key. Or they use up a code or an attempt. */
const NOT_REPEATABLE: ReadonlySet<string> = new Set<RequestName>([
  "Say",
  "CreateGroup",
  "SendAgain",
  "BindCard",
  "ConfirmCard",
  "SendCodeAgain",
  "SetPassword",
  "AskPasswordReset",
  "ResetPassword",
]);

/** A request that was asked for, and its bytes. */
export interface Asked {
  name: RequestName;
  seq: number;
  payload: Uint8Array;
}

interface Pending extends Asked {
  kind: number;
  resolve: (reply: AnyMessage) => void;
  reject: (error: Error) => void;
  timer: ReturnType<typeof setTimeout>;
}

export class PendingRequests {
  private readonly bySeq = new Map<number, Pending>(); // in the order of their numbers
  private lastSeq = 0;

  constructor(private readonly timeoutMs: number) {}

  /** Give a request its number; the promise holds its reply. `kind`: that of the request. What cannot be written does not
   * wait here: it would break the login that sends it again. Throws what `encode` throws. */
  add(name: RequestName, kind: number, encode: (seq: number) => Uint8Array): [Asked, Promise<AnyMessage>] {
    const seq = (this.lastSeq = (this.lastSeq % SEQ_MAX) + 1);
    const payload = encode(seq);
    const reply = new Promise<AnyMessage>((resolve, reject) => {
      const timer = setTimeout(() => this.fail(seq, new TimedOut(`no reply to ${name}`)), this.timeoutMs);
      this.bySeq.set(seq, { name, seq, payload, kind, resolve, reject, timer });
    });
    return [{ name, seq, payload }, reply];
  }

  /** A reply came, of this kind. If its request has timed out, it is ignored. */
  resolve(message: AnyMessage, kind: number): void {
    const pending = this.taken(message.seq);
    if (pending === undefined) return;
    if (message.kind === "Refused") pending.reject(new Refusal(message));
    else if (kind === pending.kind + 100 || message.kind === "Pong") pending.resolve(message);
    else pending.reject(new ClientError(`${message.kind} is not a reply to ${pending.name}`));
  }

  /** The requests whose replies are awaited, oldest first. */
  waiting(): Asked[] {
    return [...this.bySeq.values()];
  }

  /** The connection is lost: fail the requests that must not be sent a second time. */
  failUnrepeatable(error: Error): void {
    for (const [seq, pending] of [...this.bySeq]) if (NOT_REPEATABLE.has(pending.name)) this.fail(seq, error);
  }

  /** The client has ended. */
  failAll(error: Error): void {
    for (const seq of [...this.bySeq.keys()]) this.fail(seq, error);
  }

  private fail(seq: number, error: Error): void {
    this.taken(seq)?.reject(error);
  }

  private taken(seq: number): Pending | undefined {
    const pending = this.bySeq.get(seq);
    if (pending !== undefined) clearTimeout(pending.timer);
    this.bySeq.delete(seq);
    return pending;
  }
}
