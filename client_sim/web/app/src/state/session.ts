/** One user's chat without a screen: the client, the model, and a call whenever something has changed. */

import {
  type CampaignLine, Client, ClientError, type Language, money, type MoneyUnit, type Post, type Push,
  type ResultPageBody, type Welcome,
} from "@hongbao/sdk";
import { Conversation, Model, type Notice, type PacketState, POSTS_KEPT, usersOf } from "./model.js";
import type { Payer } from "./orders.js";
import { take } from "./pushed.js";
import { endInWords, inWords } from "./refusals.js";
import { type Snapshot, storage } from "./snapshot.js";
import { type Figures, text, type TextKey } from "./texts.js";
import { dayAndClock } from "./times.js";

const HISTORY = POSTS_KEPT; // posts that are fetched at once
const LOADED_MOST = 40; // chats whose newest posts are fetched at the login; the others when they are shown
const STRETCHES = 5; // of the history that are looked through for one that is shown
const STATES_ASKED = 10; // open packets in them whose states are fetched
const CHANGES_LOOKED_AT = 200; // of the wallet, for packets that were opened on another device
const NAMES_AT_ONCE = 100;
const TOAST_MS = 2_500;
const WORDS_KEPT = 100; // of packets, for the next start

export type Status = "connecting" | "online" | "offline" | "ended";

export class Session {
  readonly model: Model;
  readonly client: Client;
  status: Status = "connecting";
  endText = "";
  campaigns: CampaignLine[] = [];
  shookIn: bigint | undefined; // the campaign that was shown last
  payer: Payer | undefined; // not asked since the login if it is missing
  toast = "";
  /** What opens the password packets that were sent here: the server tells it to no user. */
  readonly words = new Map<bigint, string>();
  private walletVersion: number | undefined;
  private readonly listeners = new Set<() => void>();
  private readonly asked = new Set<number>(); // users whose names are being fetched
  private readonly old = new Set<number>(); // those whose names an earlier start has kept: they may be others by now
  private toastTimer: ReturnType<typeof setTimeout> | undefined;
  private isTold = false;
  private aheadMs = 0; // the clock of the server, of this device's

  constructor(url: string, token: string, public language: Language, snapshot?: Snapshot) {
    const positions = snapshot?.positions.map(([id, last]) => [id, last] as const);
    const kept = storage();
    this.client = new Client(url, token, { ...(kept && { storage: kept }), ...(positions && { positions }) });
    this.model = new Model(this.client.userId);
    if (snapshot !== undefined) this.restore(snapshot);
    this.client.on("online", (welcome) => void this.welcomed(welcome));
    this.client.on("offline", () => this.change(() => (this.status = "offline")));
    this.client.on("ended", (error) =>
      this.change(() => {
        this.status = "ended";
        this.endText = endInWords(error, this.language);
      }),
    );
    this.client.on("push", (push: Push) => take(this, push));
    setInterval(() => this.model.expire(this.now()) && this.changed(), 1_000);
  }

  /** Begin to connect. It goes on trying until the app ends. */
  start(): void {
    this.client.connect().catch((error: unknown) => {
      if (!(error instanceof ClientError)) throw error;
      if (this.status === "connecting") this.change(() => (this.status = "offline"));
    });
  }

  // --- changes ---------------------------------------------------------------------------------------------------

  /** Be told of changes; returns what stops it. Several changes in one turn of the loop are one call. */
  onChange(listener: () => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  changed(): void {
    if (this.isTold) return;
    this.isTold = true;
    queueMicrotask(() => {
      this.isTold = false;
      this.listeners.forEach((listener) => listener());
    });
  }

  change(how: () => void): void {
    how();
    this.changed();
  }

  /** The time of the server, as well as this device knows it. */
  now(): number {
    return Date.now() + this.aheadMs;
  }

  // --- words -----------------------------------------------------------------------------------------------------

  t(key: TextKey, figures: Figures = {}): string {
    return text(this.language, key, figures);
  }

  get unit(): MoneyUnit {
    return this.client.money;
  }

  /** An amount as the user reads it. */
  amount(fen: number): string {
    return money.short(this.unit, this.language, fen);
  }

  /** A day and a time of day as the user reads them. */
  when(atMs: number): string {
    return dayAndClock(this.language, atMs);
  }

  speak(language: Language): void {
    this.change(() => (this.language = language));
  }

  /** A line that goes by itself. */
  say(line: string): void {
    clearTimeout(this.toastTimer);
    this.change(() => (this.toast = line));
    this.toastTimer = setTimeout(() => this.change(() => (this.toast = "")), TOAST_MS);
  }

  why(error: unknown): string {
    return inWords(error, this.language);
  }

  /** Do something that the user asked for, and say why if it cannot be done; whether it was done. */
  async attempt(what: () => Promise<unknown>): Promise<boolean> {
    if (this.toast) this.say(""); // what was said of an earlier attempt
    try {
      await what();
      return true;
    } catch (error) {
      this.say(this.why(error));
      return false;
    }
  }

  // --- the login -------------------------------------------------------------------------------------------------

  private async welcomed(welcome: Welcome): Promise<void> {
    const { model } = this;
    this.status = "online";
    this.aheadMs = this.client.hello!.now_ms - Date.now();
    model.revive(this.now());
    this.payer = undefined;
    model.balanceFen = welcome.balance_fen;
    model.arrivingFen = welcome.arriving_fen;
    for (const place of welcome.places) {
      model.place(place.stream_id, place.name, place.owner_id, place.last_message);
    }
    const listed = new Set(welcome.places.map((place) => place.stream_id));
    for (const id of [...model.conversations.keys()]) if (!listed.has(id)) model.remove(id);
    this.changed();
    this.walletVersion ??= Math.max(0, welcome.balance_version - CHANGES_LOOKED_AT);
    await this.quietly(() => this.learnClaims(welcome.balance_version));
    this.learnNames([model.userId, ...this.old]);
    await this.quietly(() => this.learnCampaigns());
    for (const one of [...model.conversations.values()].slice(-LOADED_MOST)) await this.load(one);
    await this.quietly(() => this.client.packets.seedTrees());
  }

  async learnCampaigns(): Promise<void> {
    const { campaigns } = await this.client.patiently(() => this.client.packets.campaigns());
    this.takeCampaigns(campaigns);
  }

  /** The campaigns that are open. The one that was shown last stays when it is over: its wins can be proved then. */
  private takeCampaigns(open: CampaignLine[]): void {
    const isOver = (one: CampaignLine) =>
      one.campaign_id === this.shookIn && open.every((other) => other.campaign_id !== one.campaign_id);
    const over = this.campaigns.filter(isOver).map((one) => ({ ...one, state: "ended", highlighted: false }));
    this.change(() => (this.campaigns = [...open, ...over]));
  }

  /** What is only nice to have: the next login asks again. */
  async quietly(what: () => Promise<unknown>): Promise<void> {
    try {
      await what();
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
    }
  }

  // --- names -----------------------------------------------------------------------------------------------------

  /** Fetch the names of these users that are not known, together with those that others ask for now. */
  learnNames(userIds: Iterable<number>): void {
    const isNeeded = (id: number) => this.old.delete(id) || !this.model.names.has(id);
    const missing = [...new Set(userIds)].filter((id) => id && isNeeded(id) && !this.asked.has(id));
    for (let first = 0; first < missing.length; first += NAMES_AT_ONCE) {
      const some = missing.slice(first, first + NAMES_AT_ONCE);
      some.forEach((id) => this.asked.add(id));
      void this.quietly(async () => {
        const names = await this.client.patiently(() => this.client.names(some));
        this.change(() => some.forEach((id, at) => this.model.learn(id, names[at] ?? "")));
      }).finally(() => some.forEach((id) => this.asked.delete(id)));
    }
  }

  // --- conversations ---------------------------------------------------------------------------------------------

  /** The names of these users, in one text. */
  namesOf(userIds: readonly number[]): string {
    return userIds.map((id) => this.model.nameOf(id)).join(this.t("between_names"));
  }

  /** What a conversation is called. */
  titleOf(conversation: Conversation): string {
    if (conversation.streamId === this.model.inboxId) return this.t("inbox");
    return conversation.isOneToOne ? this.model.nameOf(conversation.ownerId) : conversation.name;
  }

  /** Put a conversation on the screen. */
  enter(streamId: bigint | undefined): void {
    this.change(() => (this.model.currentId = streamId));
    const conversation = streamId === undefined ? undefined : this.model.conversations.get(streamId);
    if (conversation === undefined) return;
    this.read(conversation, true);
    void this.load(conversation);
  }

  /** The user has scrolled: to the end of the conversation on the screen, or away from it. */
  read(conversation: Conversation, isAtEnd: boolean): void {
    this.model.isReading = isAtEnd;
    if (isAtEnd && conversation.unread) this.change(() => (conversation.unread = 0));
  }

  /** Fetch the last posts, once. After an error they are fetched when the conversation is shown again. */
  async load(conversation: Conversation): Promise<void> {
    if (conversation.isOneToOne) this.learnNames([conversation.ownerId]);
    if (conversation.isLoaded || !conversation.lastMessage) return;
    conversation.isLoaded = true;
    if (!(await this.loadOlder(conversation))) conversation.isLoaded = false;
  }

  /** Fetch the posts before those that are there; whether they could be had. */
  async loadOlder(conversation: Conversation): Promise<boolean> {
    const had = conversation.entries.length;
    const { restarts } = conversation;
    let isDone = false;
    await this.quietly(async () => {
      // a stretch may hold nothing that is shown
      for (let turn = 0; turn < STRETCHES && conversation.oldest > 1 && conversation.entries.length === had; turn++) {
        await this.fetchHistory(conversation, Math.max(0, conversation.oldest - 1 - HISTORY));
        if (conversation.restarts !== restarts) return;
      }
      isDone = true;
    });
    return isDone;
  }

  /** Fetch the posts behind number `after` that are older than those that are there. */
  private async fetchHistory(conversation: Conversation, after: number): Promise<void> {
    const { restarts } = conversation;
    const found = await this.client.patiently(() => this.client.ask("CatchUp", { stream_id: conversation.streamId, after }));
    if (conversation.restarts !== restarts) return;
    const isPost = (one: { kind: string }): one is Post => one.kind.endsWith("Posted");
    const posts = found.messages.filter(isPost).filter((one) => one.message < conversation.oldest);
    // before the first one, or before this user joined, there is nothing
    const isFirst = found.reload || !found.messages.length || found.messages[0]!.message > after + 1;
    this.learnNames(posts.flatMap(usersOf));
    conversation.addHistory(posts.map((post) => this.model.entry(post, this.now())), isFirst ? 1 : after + 1);
    conversation.keepHistory(posts);
    for (const one of found.messages) {
      if (one.kind === "FinishReminder") this.movePacket(one.packet_id, "gone");
      if (one.kind === "RefundReminder") this.movePacket(one.packet_id, "expired");
    }
    this.changed();
    const open = conversation.cards().filter((card) => card.packet.state === "open").slice(-STATES_ASKED);
    for (const { packet } of open) await this.quietly(() => this.learnState(packet.id));
  }

  /** The state of a packet from its result page. Without one the user may still open it. */
  private async learnState(packetId: bigint): Promise<void> {
    this.takeResult(packetId, await this.client.packets.result(packetId, this.language));
  }

  addNotice(about: Omit<Notice, "type" | "atMs">, streamId?: bigint): void {
    const notice: Notice = { type: "notice", atMs: this.now(), ...about };
    const conversation = streamId === undefined ? undefined : this.model.conversations.get(streamId);
    const home = conversation ?? this.model.homeOf(notice.packetId);
    if (home === undefined || home.entries.some((one) => one.type === "notice" && one.id === notice.id)) return;
    home.add(notice);
    this.learnNames([notice.userId]);
    this.changed();
  }

  // --- packets and money -----------------------------------------------------------------------------------------

  movePacket(packetId: bigint, state: PacketState, amountFen = 0): void {
    this.change(() => this.model.move(packetId, state, amountFen));
  }

  /** The state of a packet for this user, from its result page. */
  takeResult(packetId: bigint, page: ResultPageBody): void {
    const state = page.state === "open" ? "open" : page.state === "finished" ? "gone" : "expired";
    this.movePacket(packetId, page.amount_fen ? "claimed" : state, page.amount_fen);
  }

  /** A share was won here: it arrives in the wallet in a moment. */
  arrives(amountFen: number): void {
    this.change(() => (this.model.arrivingFen += amountFen));
  }

  /** Which packets the changes of the wallet up to a version came from: also those opened on another device. */
  async learnClaims(version: number): Promise<void> {
    while ((this.walletVersion ?? 0) < version) {
      const { entries, more } = await this.client.patiently(() => this.client.packets.entries(this.walletVersion ?? 0));
      for (const entry of entries) {
        this.walletVersion = Math.max(this.walletVersion ?? 0, entry.version);
        if (entry.reason === "claim") this.movePacket(entry.packet_id, "claimed", entry.change_fen);
      }
      if (!more) this.walletVersion = Math.max(this.walletVersion ?? 0, version);
    }
  }

  /** What the user can pay with; asked once after each login. */
  async learnPayer(again = false): Promise<Payer> {
    if (this.payer === undefined || again) {
      const found = await this.client.patiently(() => this.client.cards.all());
      this.payer = {
        cards: found.cards,
        hasPassword: found.has_password,
        takesCards: found.takes_cards,
        needsPassword: found.needs_password,
      };
      this.changed();
    }
    return this.payer;
  }

  /** The balance, asked for. */
  async refreshWallet(): Promise<void> {
    const wallet = await this.client.cards.wallet();
    this.change(() => {
      this.model.balanceFen = wallet.balance_fen;
      this.model.arrivingFen = wallet.arriving_fen;
    });
  }

  private restore(snapshot: Snapshot): void {
    const now = Date.now();
    this.model.balanceFen = snapshot.balanceFen;
    this.walletVersion = snapshot.walletVersion;
    this.campaigns = snapshot.campaigns ?? [];
    for (const [userId, name] of snapshot.names) {
      this.model.learn(userId, name);
      this.old.add(userId);
    }
    for (const one of snapshot.conversations) {
      const newest = one.posts.reduce((last, post) => Math.max(last, post.message), one.lastMessage);
      const known = this.model.place(one.streamId, one.name, one.ownerId, newest); // posts that came live, too
      known.isOneToOne = one.isOneToOne;
      known.draft = one.draft ?? "";
      known.unread = one.unread ?? 0;
      if (!one.posts.length) continue;
      known.addHistory(one.posts.map((post) => this.model.entry(post, now)), one.posts[0]!.message);
      known.isLoaded = true;
      known.posts = one.posts;
    }
    snapshot.words?.forEach(([packetId, words]) => this.words.set(packetId, words));
    for (const [packetId, state, amountFen] of snapshot.packets) this.model.move(packetId, state, amountFen);
  }

  /** What the next start begins with. */
  snapshot(): Snapshot {
    const conversations = [...this.model.conversations.values()].map((one) => {
      const { streamId, name, ownerId, isOneToOne, draft, unread } = one;
      const posts = one.posts.slice(-POSTS_KEPT);
      return { streamId, name, ownerId, isOneToOne, lastMessage: one.lastMessage, posts, draft, unread };
    });
    const positions = this.client.positions;
    // a stream of which nothing was loaded is followed from its end by the next start
    const known = conversations.filter((one) => one.posts.length);
    const packets = known.flatMap((one) => one.posts.flatMap((post) => (post.kind === "PacketPosted" ? [post.packet_id] : [])));
    return {
      userId: this.model.userId,
      balanceFen: this.model.balanceFen,
      walletVersion: this.walletVersion ?? 0,
      campaigns: this.campaigns,
      names: [...this.model.names].slice(-500),
      words: [...this.words].slice(-WORDS_KEPT),
      conversations,
      positions: known.flatMap(({ streamId }) => {
        const last = positions.get(streamId);
        return last === undefined ? [] : [[streamId, last] as [bigint, number]];
      }),
      packets: [...new Set(packets)].flatMap((id) => {
        const found = this.model.packets.get(id);
        return found === undefined ? [] : [[id, found.state, found.amountFen] as [bigint, PacketState, number]];
      }),
    };
  }
}
