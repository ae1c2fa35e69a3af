/**
 * The SDK: one user's connection to the server, as methods for requests and events for pushes.
 *
 * Amounts are whole fen, times milliseconds since 1970. Ids of the server (packets, groups, streams, cards, campaigns)
 * and tickets are BigInt, user ids are numbers. Methods reject with `ClientError`s only (see errors). A lost
 * connection is made again in the background; requests that may be repeated are sent again.
 *
 *     const client = new Client("wss://chat.example/ws", token);
 *     client.on("PacketPosted", (push) => show(push));
 *     await client.connect();
 *     const sent = await client.packets.send("lucky", groupId, 888, 5, "恭喜发财");
 */

import { patiently } from "./backoff.js";
import { CardRequests } from "./card_requests.js";
import { Codec } from "./codec.js";
import { Connection } from "./connection.js";
import { type ClientError, ConnectionLost, isOutcome } from "./errors.js";
import { type Push, PushFeed, type Reloaded } from "./feed.js";
import { IdempotencyKeys, type KeyStorage } from "./keys.js";
import {
  type Hello, type KeyedRequestName, type MoneyUnit, type Post, type ReplyOf, type RequestFields,
  type RequestName, USER_MESSAGES, type Welcome,
} from "./messages.js";
import { YUAN } from "./money.js";
import { PacketRequests } from "./packet_requests.js";
import { Token } from "./token.js";
import type { OpenSocket } from "./transport.js";

const CONNECT_PATIENCE_MS = 10_000;

export interface Options {
  /** The number of the last post that the app has of each stream: pushes then start with what was missed. */
  positions?: Iterable<readonly [bigint, number]>;
  /** The version of the last change of the wallet that the app has: missed changes then come first. */
  balanceVersion?: number;
  /** How long a request waits for its reply. */
  timeoutMs?: number;
  /** The longest wait between two attempts to reconnect. */
  backoffMostMs?: number;
  /** Where keys of requests survive the tab. Without it they live as long as the client. */
  storage?: KeyStorage;
  /** Opens a socket; for Node without a global WebSocket, and for tests. */
  openSocket?: OpenSocket;
}

/** Changes of the connection, besides pushes. `ended` has the reason, and nothing follows it. */
export interface ConnectionEvents {
  online: Welcome;
  offline: undefined;
  ended: ClientError;
}

export type Events = { [One in Push as One["kind"]]: One } & ConnectionEvents & { push: Push };

/** One event: `detail` is the push, or what ConnectionEvents says. */
export class ClientEvent<Detail> extends Event {
  constructor(type: string, readonly detail: Detail) {
    super(type);
  }
}

/** One user. Requests on packets and campaigns are in `packets`, those on wallet and cards in `cards`. */
export class Client extends EventTarget {
  readonly userId: number;
  readonly packets: PacketRequests;
  readonly cards: CardRequests;
  hello: Hello | undefined;
  welcome: Welcome | undefined;
  private readonly connection: Connection;
  private readonly codec = new Codec(USER_MESSAGES);
  private readonly feed: PushFeed;
  /** Keys of requests whose outcome is unknown, also for payments that an app keeps itself. */
  readonly keys: IdempotencyKeys;
  private endedBy: ClientError | undefined;
  private readonly unhook: () => void;

  /** Throws MalformedToken. */
  constructor(url: string, token: string, options: Options = {}) {
    super();
    const parsed = Token.parse(token);
    this.userId = parsed.userId;
    this.keys = new IdempotencyKeys(this.userId, options.storage);
    const endpoint = {
      url,
      token: parsed,
      timeoutMs: options.timeoutMs ?? 10_000,
      backoffMostMs: options.backoffMostMs ?? 5_000,
      openSocket: options.openSocket ?? ((to: string, protocol: string) => new WebSocket(to, protocol)),
    };
    this.connection = new Connection(endpoint, this.codec, {
      welcomed: (welcome, hello) => this.welcomed(welcome, hello),
      pushed: (push) => this.feed.take(push),
      lost: () => this.emit("offline", undefined),
      ended: (error) => this.ended(error),
    });
    const tell = (push: Push) => this.tell(push);
    this.feed = new PushFeed((name, fields) => this.ask(name, fields), tell, options.positions, options.balanceVersion);
    this.packets = new PacketRequests(this);
    this.cards = new CardRequests(this);
    this.unhook = hookPage(() => this.connection.wake());
  }

  // --- the connection --------------------------------------------------------------------------------------------

  /** Connect and log in. Rejects with ConnectionLost after `patienceMs`, though the client goes on trying, or with
   * ConnectionRefusedForGood. */
  connect(patienceMs = CONNECT_PATIENCE_MS): Promise<Welcome> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => settle(() => reject(new ConnectionLost("no connection yet"))), patienceMs);
      const settle = (how: () => void) => {
        clearTimeout(timer);
        forget.forEach((off) => off());
        how();
      };
      const forget = [
        this.on("online", (welcome) => settle(() => resolve(welcome))),
        this.on("ended", (error) => settle(() => reject(error))),
      ];
      if (this.endedBy !== undefined) settle(() => reject(this.endedBy));
      else if (this.isConnected) settle(() => resolve(this.welcome!));
      else this.connection.open();
    });
  }

  /** Close for good. Requests in flight reject with ClientClosed. */
  close(): void {
    this.unhook();
    this.connection.close();
  }

  /** Lose the connection without a goodbye, as a phone that loses its network. The client reconnects. */
  drop(): void {
    this.connection.drop();
  }

  /** Find out now whether the connection is alive, and reconnect now if it is not. On a page, the client does so by
   * itself when the page becomes visible and when a network is back. */
  wake(): void {
    this.connection.wake();
  }

  /** The client is connected and logged in. */
  get isConnected(): boolean {
    return this.connection.isOpen;
  }

  get reconnects(): number {
    return this.connection.reconnects;
  }

  /** The unit in which this server's amounts are shown and typed; yuan before the first login. */
  get money(): MoneyUnit {
    return this.welcome?.money_unit ?? YUAN;
  }

  /** A limit of the server by its name, from its hello. */
  limit(name: string, otherwise: number): number {
    return this.hello?.limits[name] ?? otherwise;
  }

  /** Receive one kind of event, `push` for all pushes; returns what stops it. */
  on<Type extends keyof Events>(type: Type, receive: (detail: Events[Type]) => void): () => void {
    const listener = (event: Event) => receive((event as ClientEvent<Events[Type]>).detail);
    this.addEventListener(type, listener);
    return () => this.removeEventListener(type, listener);
  }

  /** Any request, by its name. */
  ask<Name extends RequestName>(name: Name, fields: RequestFields<Name>): Promise<ReplyOf<Name>> {
    return this.connection.ask(name, fields);
  }

  /**
   * A request that moves money, with the app's key, or without one with a key that is kept until the outcome is
   * known. `complete` adds what follows from the key.
   */
  async askWithKey<Name extends KeyedRequestName>(
    name: Name, fields: RequestFields<Name>, key?: string, complete?: (key: string) => object,
  ): Promise<ReplyOf<Name>> {
    if (key !== undefined) return this.ask(name, { ...fields, key, ...complete?.(key) });
    // what a key stands for: all but client seed and password, which may be others when the app sends again
    const content = { ...fields, key: "", password: "", client_seed: new Uint8Array() };
    const made = this.keys.take(this.codec.encode(name, 0, content));
    try {
      const reply = await this.ask(name, { ...fields, key: made, ...complete?.(made) });
      this.keys.settle(made);
      return reply;
    } catch (error) {
      if (isOutcome(error)) this.keys.settle(made);
      else this.keys.keep(made);
      throw error;
    }
  }

  // --- groups and chat -------------------------------------------------------------------------------------------

  /** Make a group that I own; its id. Not repeated: rejects with ConnectionLost if in flight. */
  async createGroup(name: string): Promise<bigint> {
    const { group_id } = await this.ask("CreateGroup", { name });
    this.feed.gaps.follow(group_id, 0);
    return group_id;
  }

  /** The invite code of a group. `renew`, for its owner: a new one, the old one ends. */
  async invite(groupId: bigint, renew = false): Promise<string> {
    return (await this.ask("GetInvite", { group_id: groupId, renew })).code;
  }

  /** Become a member by an invite code; the id of the group need not be known. */
  async joinGroup(invite: string, groupId = 0n): Promise<ReplyOf<"JoinGroup">> {
    const joined = await this.ask("JoinGroup", { group_id: groupId, invite });
    this.feed.gaps.follow(joined.group_id, joined.last_message);
    return joined;
  }

  /** The one-to-one chat with a user, made if there is none. */
  async openChat(userId: number): Promise<ReplyOf<"OpenChat">> {
    const opened = await this.ask("OpenChat", { user_id: userId });
    this.feed.gaps.follow(opened.stream_id, opened.last_message);
    return opened;
  }

  async leaveGroup(groupId: bigint): Promise<void> {
    await this.ask("LeaveGroup", { group_id: groupId });
    this.feed.gaps.forget(groupId);
  }

  /** Members and their names: those behind a user id; ask on while there are `more`. */
  members(groupId: bigint, afterUserId = 0): Promise<ReplyOf<"ListMembers">> {
    return this.ask("ListMembers", { group_id: groupId, after_user_id: afterUserId });
  }

  /** The names of at most 100 users, in their order; "" for a user without one. */
  async names(userIds: number[]): Promise<string[]> {
    return (await this.ask("GetNames", { user_ids: userIds })).names;
  }

  /** Post a text; its number. Not repeated: rejects with ConnectionLost if in flight. */
  async say(groupId: bigint, text: string): Promise<number> {
    return (await this.ask("Say", { group_id: groupId, text })).message;
  }

  /** All posts behind number `after`, for an app that has just started; Reloaded if they are too many. */
  catchUp(streamId: bigint, after: number): Promise<Post[] | Reloaded> {
    return this.feed.postsAfter(streamId, after);
  }

  /** The number of the last post handed on, by stream: for a later Client that continues there. */
  get positions(): Map<bigint, number> {
    return this.feed.gaps.positions;
  }

  /** The version of the last change of the wallet that the app was told. */
  get balanceVersion(): number | undefined {
    return this.feed.balanceVersion;
  }

  /** Ask for what may be asked twice, and again while it is refused for a moment. */
  patiently<Answer>(ask: () => Promise<Answer>, patienceMs = CONNECT_PATIENCE_MS): Promise<Answer> {
    return patiently(ask, patienceMs);
  }

  // --- what the connection tells ---------------------------------------------------------------------------------

  private welcomed(welcome: Welcome, hello: Hello): void {
    this.hello = hello;
    this.welcome = welcome;
    this.feed.welcomed(welcome);
    this.emit("online", welcome);
  }

  private ended(error: ClientError): void {
    this.endedBy = error;
    this.emit("ended", error);
  }

  private tell(push: Push): void {
    this.emit(push.kind, push as never);
    this.emit("push", push);
  }

  private emit<Type extends keyof Events>(type: Type, detail: Events[Type]): void {
    this.dispatchEvent(new ClientEvent(type, detail));
  }
}

/** Call this when a page becomes visible again, or a network is back or gone. Without a page nothing happens. */
function hookPage(wake: () => void): () => void {
  const page = (globalThis as { document?: Document }).document;
  if (page === undefined) return () => {};
  const seen = () => {
    if (page.visibilityState === "visible") wake();
  };
  page.addEventListener("visibilitychange", seen);
  addEventListener("pageshow", seen);
  addEventListener("online", wake);
  addEventListener("offline", wake); // the socket does not know yet: a probe tells
  return () => {
    page.removeEventListener("visibilitychange", seen);
    removeEventListener("pageshow", seen);
    removeEventListener("online", wake);
    removeEventListener("offline", wake);
  };
}

