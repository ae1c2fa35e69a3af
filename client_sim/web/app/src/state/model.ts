/** The state of a chat: conversations, the texts and packets in them, and how each packet stands. No I/O. */

import type { OpenPageShown, Post } from "@hongbao/sdk";

const ENTRIES_MOST = 2_000; // of a conversation
const NAMES_MOST = 5_000;
const PACKETS_FRESH = 1_000; // packets that are remembered also without a card
export const POSTS_KEPT = 50; // of a conversation, for the next start

export type PacketState = "open" | "claimed" | "gone" | "expired";

/** A red packet as this user knows it. `amountFen` is the user's own share, 0 without one. */
export interface Packet {
  id: bigint;
  kind: string;
  senderId: number;
  shares: number;
  greeting: string;
  expiresAtMs: number;
  state: PacketState;
  amountFen: number;
  /** Of an exclusive packet: whom it is for, the first of them. */
  forUserIds: number[];
}

/** Whether an exclusive packet is for others alone; false if only some of them are known. */
export function isForOthers(packet: Packet, userId: number): boolean {
  const { kind, forUserIds, shares } = packet;
  return kind === "exclusive" && forUserIds.length === shares && !forUserIds.includes(userId);
}

export interface Said {
  type: "said";
  message: number;
  senderId: number;
  atMs: number;
  text: string;
}

/** A packet, as it was pushed. A packet that is sent again has one card for each time. */
export interface Card {
  type: "card";
  message: number;
  senderId: number;
  atMs: number;
  packet: Packet;
}

/** In a group with a relay: who is to send the next packet. */
export interface Turn {
  type: "turn";
  message: number;
  atMs: number;
  userId: number;
  amountFen: number;
  shares: number;
}

/** A small grey line about a packet. */
export interface Notice {
  type: "notice";
  atMs: number;
  /** What makes it another line than others. */
  id: string;
  text: "claim" | "own_claim" | "best" | "refund";
  userId: number;
  amountFen: number;
  packetId: bigint;
}

export type Numbered = Said | Card | Turn;
export type Entry = Numbered | Notice;

/** What a line is called in a list. */
export function keyOf(entry: Entry): string {
  return entry.type === "notice" ? entry.id : String(entry.message);
}

/** The users whom the line of a post names. */
export function usersOf(post: Post): number[] {
  if (post.kind === "RelayPosted") return [post.user_id];
  return post.kind === "PacketPosted" ? [post.sender_id, ...(post.for_user_ids ?? [])] : [post.sender_id];
}

/** A group, a one-to-one chat or, under the user's own id, the inbox, where personal packets arrive. */
export class Conversation {
  readonly entries: Entry[] = [];
  unread = 0;
  isLoaded = false;
  /** How often the entries were dropped. */
  restarts = 0;
  /** All that is shown from this number on is among the entries. */
  private from: number | undefined;
  /** What was typed and not sent. */
  draft = "";
  /** The newest posts behind the entries, for the next start. */
  posts: Post[] = [];

  /** `lastMessage`: when the conversation became known; older posts are history. */
  constructor(
    readonly streamId: bigint,
    public name: string,
    public ownerId: number,
    public lastMessage: number,
    public isOneToOne: boolean,
  ) {}

  /** The number of the newest post among the entries; 0 without one. */
  get newest(): number {
    const last = this.entries.findLast((one): one is Numbered => one.type !== "notice");
    return last?.message ?? 0;
  }

  /** The number from which on the entries are complete; 1: there is nothing older. */
  get oldest(): number {
    if (this.from !== undefined) return this.from;
    const first = this.entries.find((one): one is Numbered => one.type !== "notice");
    return first?.message ?? this.lastMessage + 1;
  }

  get lastAtMs(): number {
    return this.entries.findLast((one): one is Numbered => one.type !== "notice")?.atMs ?? 0;
  }

  add(entry: Entry): void {
    this.entries.push(entry);
    if (this.entries.length <= ENTRIES_MOST) return;
    this.entries.splice(0, this.entries.length - ENTRIES_MOST);
    this.from = undefined; // those that have gone can be fetched again
  }

  /** A post came, behind those that are there. */
  keep(post: Post): void {
    this.posts.push(post);
    if (this.posts.length > 2 * POSTS_KEPT) this.posts = this.posts.slice(-POSTS_KEPT);
  }

  /** Older posts were fetched. What is beyond the newest ones is not kept. */
  keepHistory(posts: Post[]): void {
    if (this.posts.length < POSTS_KEPT) this.posts.unshift(...posts);
  }

  /** Insert older entries before those that are there. They are complete from this number on. */
  addHistory(entries: Numbered[], from: number): void {
    const first = this.oldest;
    this.entries.unshift(...entries.filter((one) => one.message < first));
    this.from = from;
  }

  /** Too many posts were missed: drop the entries, so that the newest posts are loaded again. */
  restart(lastMessage: number): void {
    this.entries.length = 0;
    this.posts = [];
    this.lastMessage = lastMessage;
    this.isLoaded = false;
    this.from = undefined;
    this.restarts++;
  }

  cards(): Card[] {
    return this.entries.filter((one): one is Card => one.type === "card");
  }

  /** The turn of a user who has sent no packet since. */
  turnOf(userId: number): Turn | undefined {
    const found = this.entries.findLast(
      (one) => (one.type === "turn" && one.userId === userId) || (one.type === "card" && one.senderId === userId),
    );
    return found?.type === "turn" ? found : undefined;
  }
}

/** The whole state. Posts go in; the session asks and the screens draw. */
export class Model {
  balanceFen = 0;
  arrivingFen = 0; // shares that are not in the wallet yet
  currentId: bigint | undefined;
  isReading = true; // the end of the conversation on the screen is on the screen, too
  readonly names = new Map<number, string>();
  readonly conversations = new Map<bigint, Conversation>();
  readonly packets = new Map<bigint, Packet>();
  private readonly told = new Map<bigint, [PacketState, number]>(); // of packets whose cards are not here yet
  private packetsMost = 2 * PACKETS_FRESH; // from then on it is looked which of them are forgotten
  readonly inboxId: bigint;

  constructor(readonly userId: number) {
    this.inboxId = BigInt(userId);
    this.conversations.set(this.inboxId, new Conversation(this.inboxId, "", userId, 0, false));
  }

  /** The name of a user; the id of a user without one. */
  nameOf(userId: number): string {
    return this.names.get(userId) || String(userId);
  }

  learn(userId: number, name: string): void {
    this.names.delete(userId);
    this.names.set(userId, name);
    const [oldest] = this.names.keys();
    if (this.names.size > NAMES_MOST) this.names.delete(oldest!);
  }

  /** The conversations, those with the newest entries first. */
  listed(): Conversation[] {
    const all = [...this.conversations.values()];
    const shown = all.filter((one) => one.streamId !== this.inboxId || one.entries.length);
    return shown.sort((one, other) => other.lastAtMs - one.lastAtMs);
  }

  /** Add or update a conversation that this user is in. */
  place(streamId: bigint, name: string, ownerId: number, lastMessage: number): Conversation {
    let known = this.conversations.get(streamId);
    if (known === undefined) {
      known = new Conversation(streamId, name, ownerId, lastMessage, streamId !== this.inboxId && !name);
      this.conversations.set(streamId, known);
    } else if (streamId !== this.inboxId && name) {
      known.name = name;
      known.ownerId = ownerId;
      known.isOneToOne = false;
    }
    if (!known.isLoaded && !known.entries.length) known.lastMessage = lastMessage;
    return known;
  }

  remove(streamId: bigint): Conversation | undefined {
    const removed = streamId === this.inboxId ? undefined : this.conversations.get(streamId);
    if (removed !== undefined) this.conversations.delete(streamId);
    return removed;
  }

  /** The entry of a post. A packet that was posted before is the same packet. */
  entry(post: Post, nowMs: number): Numbered {
    const { message, at_ms: atMs } = post;
    if (post.kind === "TextPosted") return { type: "said", message, senderId: post.sender_id, atMs, text: post.text };
    if (post.kind === "RelayPosted") {
      return { type: "turn", message, atMs, userId: post.user_id, amountFen: post.amount_fen, shares: post.shares };
    }
    let packet = this.packets.get(post.packet_id);
    if (packet === undefined) {
      packet = {
        id: post.packet_id,
        kind: post.packet_kind,
        senderId: post.sender_id,
        shares: post.shares,
        greeting: post.greeting,
        expiresAtMs: post.expires_at_ms,
        state: post.expires_at_ms <= nowMs ? "expired" : "open",
        amountFen: 0,
        forUserIds: post.for_user_ids ?? [], // an older start has kept posts without it
      };
      this.packets.set(packet.id, packet);
      const told = this.told.get(packet.id);
      if (told !== undefined) this.move(packet.id, ...told);
      this.told.delete(packet.id);
      this.forgetPackets();
    }
    return { type: "card", message, senderId: post.sender_id, atMs, packet };
  }

  /** Forget packets whose cards are gone, from time to time. */
  private forgetPackets(): void {
    if (this.packets.size < this.packetsMost) return;
    const shown = new Set([...this.conversations.values()].flatMap((one) => one.cards().map((card) => card.packet.id)));
    for (const id of [...this.packets.keys()].slice(0, -PACKETS_FRESH)) if (!shown.has(id)) this.packets.delete(id);
    this.packetsMost = this.packets.size + 2 * PACKETS_FRESH;
  }

  /** The packet that the link of a friend leads to. */
  linked(page: Pick<OpenPageShown, "packet_id" | "sender_id" | "sender_name" | "greeting">): Packet {
    const { packet_id: id, sender_id: senderId, greeting } = page;
    if (page.sender_name) this.learn(senderId, page.sender_name);
    const known = this.packets.get(id);
    const packet: Packet = known ?? {
      id, kind: "fission", senderId, shares: 0, greeting, expiresAtMs: Infinity, state: "open", amountFen: 0, forUserIds: [],
    };
    this.packets.set(id, packet);
    return packet;
  }

  /** Add a pushed post to its conversation; undefined if it is there already, as part of the history. */
  posted(post: Post, nowMs: number): Numbered | undefined {
    const conversation =
      this.conversations.get(post.stream_id) ?? this.place(post.stream_id, String(post.stream_id), 0, post.message - 1);
    if (post.message <= conversation.newest) return undefined;
    const entry = this.entry(post, nowMs);
    conversation.add(entry);
    conversation.keep(post);
    if (post.stream_id !== this.currentId || !this.isReading) conversation.unread++;
    return entry;
  }

  /** The conversation with this packet's card, first the one on the screen. */
  homeOf(packetId: bigint): Conversation | undefined {
    const current = this.currentId === undefined ? undefined : this.conversations.get(this.currentId);
    const all = [...(current ? [current] : []), ...this.conversations.values()];
    return all.find((one) => one.cards().some((card) => card.packet.id === packetId));
  }

  /** Change the state of a packet. A claimed packet stays claimed. */
  move(packetId: bigint, state: PacketState, amountFen = 0): void {
    const packet = this.packets.get(packetId);
    if (packet === undefined) {
      if (this.told.get(packetId)?.[0] !== "claimed") this.told.set(packetId, [state, amountFen]);
      const [oldest] = this.told.keys();
      if (this.told.size > PACKETS_FRESH) this.told.delete(oldest!);
    } else if (packet.state !== "claimed") {
      packet.state = state;
      packet.amountFen = amountFen;
    }
  }

  /** The time of the server is known: packets that expired by the clock of this device alone are open. */
  revive(nowMs: number): void {
    for (const one of this.packets.values()) if (one.state === "expired" && one.expiresAtMs > nowMs) one.state = "open";
  }

  /** Move the packets whose time is over; whether there were any. */
  expire(nowMs: number): boolean {
    const over = [...this.packets.values()].filter((one) => one.state === "open" && one.expiresAtMs <= nowMs);
    over.forEach((one) => this.move(one.id, "expired"));
    return over.length > 0;
  }
}
