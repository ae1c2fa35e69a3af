/** The connection of one user, kept alive: it reconnects after a loss and sends again what may be repeated. */

import { Backoff } from "./backoff.js";
import type { Codec } from "./codec.js";
import { ClientClosed, type ClientError, ConnectionRefusedForGood } from "./errors.js";
import type { AnyMessage, Hello, ReplyOf, RequestFields, RequestName, Welcome } from "./messages.js";
import { PendingRequests } from "./pending.js";
import type { Token } from "./token.js";
import { type Handlers, type OpenSocket, Transport } from "./transport.js";

const BACKOFF_FIRST_MS = 100;
const STABLE_MS = 5_000; // after a connection that lasted this long the backoff starts from its first value again

export interface Endpoint {
  url: string;
  token: Token;
  timeoutMs: number;
  backoffMostMs: number;
  openSocket: OpenSocket;
}

/** What the connection tells. `ended` comes once and last. */
export interface Listener {
  welcomed(welcome: Welcome, hello: Hello): void;
  pushed(push: AnyMessage): void;
  lost(): void;
  ended(error: ClientError): void;
}

/** At most one transport at a time. When it is lost, a timer makes the next. */
export class Connection implements Handlers {
  reconnects = 0;
  private readonly pending: PendingRequests;
  private readonly backoff: Backoff;
  private transport: Transport | undefined; // it may not be welcome yet
  private isWelcome = false;
  private welcomes = 0;
  private welcomedAt = 0;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private endReason: ClientError | undefined;

  constructor(
    private readonly endpoint: Endpoint,
    private readonly codec: Codec,
    private readonly listener: Listener,
  ) {
    this.pending = new PendingRequests(endpoint.timeoutMs);
    this.backoff = new Backoff(BACKOFF_FIRST_MS, endpoint.backoffMostMs);
  }

  get isOpen(): boolean {
    return this.isWelcome;
  }

  /** Send now, or as soon as there is a connection again. Rejects with MalformedMessage, too. */
  async ask<Name extends RequestName>(name: Name, fields: RequestFields<Name>): Promise<ReplyOf<Name>> {
    if (this.endReason !== undefined) throw this.endReason;
    const encode = (seq: number) => this.codec.encode(name, seq, fields);
    const [asked, reply] = this.pending.add(name, this.codec.kindOf(name), encode);
    if (this.isWelcome) this.transport!.sendPayload(asked.payload);
    return (await reply) as AnyMessage as ReplyOf<Name>;
  }

  /** Begin to connect; again is harmless. */
  open(): void {
    if (this.endReason !== undefined || this.transport !== undefined) return;
    clearTimeout(this.retryTimer);
    this.retryTimer = undefined;
    const { url, token, timeoutMs, openSocket } = this.endpoint;
    this.transport = new Transport(url, token, this.codec, this, timeoutMs, openSocket);
  }

  /** The page is visible again, or a network is back: do not wait for timers, which sleep in the background. */
  wake(): void {
    if (this.endReason !== undefined) return;
    if (this.isWelcome) this.transport!.probe();
    else if (this.retryTimer !== undefined) {
      this.backoff.reset();
      this.open();
    }
  }

  close(): void {
    this.finish(new ClientClosed());
    this.transport?.close();
  }

  drop(): void {
    this.transport?.drop();
  }

  // --- handlers of the transport ---------------------------------------------------------------------------------

  welcomed(transport: Transport, hello: Hello, welcome: Welcome): void {
    this.reconnects += this.welcomes++ ? 1 : 0;
    this.isWelcome = true;
    this.welcomedAt = Date.now();
    for (const asked of this.pending.waiting()) transport.sendPayload(asked.payload);
    this.listener.welcomed(welcome, hello);
  }

  received(message: AnyMessage): void {
    if (message.seq) this.pending.resolve(message, this.codec.kindOf(message.kind));
    else this.listener.pushed(message);
  }

  lost(error: ClientError): void {
    this.transport = undefined;
    const wasWelcome = this.isWelcome;
    this.isWelcome = false;
    if (this.endReason !== undefined) return;
    if (error instanceof ConnectionRefusedForGood) {
      this.finish(error);
      return;
    }
    if (wasWelcome) {
      if (Date.now() - this.welcomedAt > STABLE_MS) this.backoff.reset();
      this.pending.failUnrepeatable(error);
      this.listener.lost();
    }
    this.retryTimer = setTimeout(() => this.open(), error.retryAfterMs + this.backoff.delayMs());
  }

  /** End for good, and give the reason to every request. */
  private finish(reason: ClientError): void {
    if (this.endReason !== undefined) return;
    this.endReason = reason;
    clearTimeout(this.retryTimer);
    this.pending.failAll(reason);
    this.listener.ended(reason);
  }
}
