/** One WebSocket: the hello is answered with a login, pings with pongs; a silent connection is given up. */

import type { Codec } from "./codec.js";
import { ClientError, ConnectionLost, ConnectionRefusedForGood } from "./errors.js";
import type { AnyMessage, Goodbye, Hello, Welcome } from "./messages.js";
import type { Token } from "./token.js";

const SUBPROTOCOL = "hongbao.v1";
const REFUSED_FOR_GOOD = 3500; // close codes from here to 3999
const QUIET_GRACE_MS = 2_000;
const PROBE_MS = 3_000; // for the pong after a time in the background
const FEATURES = [
  "reminders",
  "fission",
  "exclusive",
  "password",
  "enterprise",
  "enterprise_lucky",
  "enterprise_equal",
  "relay",
] as const;

/** Called with the welcome, then with each reply and push, then once with the reason why the connection ended. */
export interface Handlers {
  welcomed(transport: Transport, hello: Hello, welcome: Welcome): void;
  received(message: AnyMessage): void;
  lost(error: ClientError): void;
}

export type OpenSocket = (url: string, protocol: string) => WebSocket;

export class Transport {
  private readonly socket: WebSocket;
  private hello: Hello | undefined;
  private goodbye: Goodbye | undefined;
  private isWelcome = false;
  private hasEnded = false;
  private quietMs: number;
  private receivedAt = Date.now(); // the clock that goes on while a phone sleeps
  private received = 0; // messages
  private timer: ReturnType<typeof setTimeout>;

  constructor(
    url: string,
    private readonly token: Token,
    private readonly codec: Codec,
    private readonly handlers: Handlers,
    timeoutMs: number,
    open: OpenSocket,
  ) {
    this.quietMs = timeoutMs;
    this.socket = open(url, SUBPROTOCOL);
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => this.take(data);
    this.socket.onclose = ({ code, reason }) => this.closed(code, reason);
    this.socket.onerror = () => {}; // a close follows
    this.timer = setTimeout(() => this.checkQuiet(), timeoutMs);
  }

  sendPayload(payload: Uint8Array): void {
    if (this.socket.readyState === 1) this.socket.send(payload as Uint8Array<ArrayBuffer>);
  }

  private send(name: string, seq: number, fields: object = {}): void {
    this.sendPayload(this.codec.encode(name, seq, fields));
  }

  /** The page is visible again, or a network is back: find out at once whether the connection is alive. */
  probe(): void {
    if (!this.isWelcome || this.hasEnded) return;
    if (this.silentMs() >= this.quietMs) {
      this.end(new ConnectionLost("nothing was received for too long"));
      return;
    }
    const asked = this.received;
    this.send("Ping", 0);
    setTimeout(() => {
      if (this.received === asked) this.end(new ConnectionLost("no pong after the background"));
    }, PROBE_MS);
  }

  /** Close with a word to the server. */
  close(): void {
    this.end(new ConnectionLost("closed here"), 1000);
  }

  /** Forget the socket at once, as a phone that loses its network. */
  drop(): void {
    this.end(new ConnectionLost("dropped"));
  }

  private take(data: ArrayBuffer): void {
    if (this.hasEnded) return;
    this.receivedAt = Date.now();
    this.received++;
    let message: AnyMessage | null;
    try {
      message = this.codec.decode(new Uint8Array(data));
    } catch (error) {
      this.end(new ConnectionRefusedForGood(REFUSED_FOR_GOOD, "bad_frame", `from the server: ${error}`));
      return;
    }
    if (message !== null) this.handle(message);
  }

  private handle(message: AnyMessage): void {
    switch (message.kind) {
      case "Hello":
        this.hello = message;
        this.send("Login", 0, this.token.login(message.nonce, FEATURES));
        break;
      case "Ping":
        this.send("Pong", message.seq);
        break;
      case "Goodbye":
        this.goodbye = message;
        break;
      case "Welcome":
        this.welcomed(message);
        break;
      default:
        if (this.isWelcome) {
          if (message.kind !== "Pong" || message.seq) this.handlers.received(message);
        } else this.end(new ConnectionLost(`expected a welcome, received ${message.kind}`));
    }
  }

  private welcomed(welcome: Welcome): void {
    const hello = this.hello!;
    this.isWelcome = true;
    this.quietMs = hello.ping_interval_ms + hello.pong_timeout_ms + QUIET_GRACE_MS;
    this.handlers.welcomed(this, hello, welcome);
  }

  /** The server pings, so a silent connection is dead even if no error is reported; mobile Safari leaves out the
   * close of a connection that was lost in the background. */
  private checkQuiet(): void {
    const dueInMs = this.quietMs - this.silentMs();
    if (dueInMs > 0) this.timer = setTimeout(() => this.checkQuiet(), dueInMs);
    else this.end(new ConnectionLost(this.isWelcome ? "the server was silent" : "no welcome in time"));
  }

  /** How long nothing was received. A clock that was set back does not make a dead connection live longer. */
  private silentMs(): number {
    const now = Date.now();
    this.receivedAt = Math.min(this.receivedAt, now);
    return now - this.receivedAt;
  }

  private closed(code: number, reason: string): void {
    const { goodbye } = this;
    if (goodbye === undefined && code < 3000) {
      this.end(new ConnectionLost(`closed: ${code}`));
      return;
    }
    const why = goodbye?.code ?? code;
    const name = goodbye?.name ?? reason;
    const detail = goodbye?.detail ?? "";
    if (why >= REFUSED_FOR_GOOD && why < 4000) this.end(new ConnectionRefusedForGood(why, name, detail));
    else this.end(new ConnectionLost(`${why} ${name}`, goodbye?.reconnect_after_ms));
  }

  /** Report the end once, and receive nothing more from this socket: it must not go on beside the next one. */
  private end(error: ClientError, code?: number): void {
    if (this.hasEnded) return;
    this.hasEnded = true;
    clearTimeout(this.timer);
    this.socket.onmessage = this.socket.onclose = null;
    try {
      this.socket.close(code);
    } catch {
      // it was never open
    }
    this.handlers.lost(error);
  }
}
