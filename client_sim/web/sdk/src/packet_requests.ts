/** Requests on packets, pages, proofs and campaigns: `client.packets`. */

import type { Client } from "./client.js";
import { isRefused } from "./errors.js";
import type { EntryLine, PacketKind, ReplyOf, ScheduledLine } from "./messages.js";
import type { Language } from "./money.js";
import { sleep } from "./backoff.js";
import { KeptSeeds, type Verdict } from "./seeds.js";
import { hmac, randomBytes } from "./sha256.js";

const UTF8 = new TextEncoder();

export interface SendOptions {
  /** An idempotency key of the app's own, 1 to 64 bytes; without it the client makes one, and keeps it. */
  key?: string;
  /** Goes into the packet's seed; by default 32 random bytes that follow from the key. */
  clientSeed?: Uint8Array;
  /** The card that pays the whole packet, with the pay password; 0: the wallet. */
  cardId?: bigint;
  password?: string;
  /** Of an exclusive packet: whom it is for. */
  forUserIds?: number[];
  /** Of a password packet: what users say to open it. */
  words?: string;
  /** When it is posted; 0: at once. */
  sendAtMs?: number;
}

export class PacketRequests {
  readonly keptSeeds = new KeptSeeds();
  private readonly secret = randomBytes(32);

  constructor(private readonly client: Client) {}

  /** Send a packet. `amountFen`: the total, or that of one share (equal, exclusive). Money moves once, also if the
   * request is repeated after a lost connection, or if the app calls again after a temporary failure. */
  async send(
    kind: PacketKind, targetId: bigint, amountFen: number, shares = 1, greeting = "", options: SendOptions = {},
  ): Promise<ReplyOf<"SendPacket">> {
    const { key, clientSeed, cardId = 0n, password = "", forUserIds = [], words = "", sendAtMs = 0 } = options;
    const fields = {
      key: "",
      packet_kind: kind,
      target_id: targetId,
      amount_fen: amountFen,
      shares: forUserIds.length || shares,
      greeting,
      card_id: cardId,
      password,
      for_user_ids: forUserIds,
      words,
      send_at_ms: sendAtMs,
    };
    let seed = clientSeed ?? new Uint8Array();
    const complete = (made: string) => {
      seed = clientSeed ?? hmac(this.secret, UTF8.encode(made)); // a retry has the same key, and so the same seed
      return { client_seed: seed };
    };
    const sent = await this.client.askWithKey("SendPacket", fields, key, complete);
    this.keptSeeds.sent(sent, seed, clientSeed !== undefined || key === undefined);
    return sent;
  }

  /** The page that a tap shows; with a ticket if the packet may be opened. */
  openPage(packetId: bigint, language: Language): Promise<ReplyOf<"OpenPage">> {
    return this.client.ask("OpenPage", { packet_id: packetId, language });
  }

  /** The same by the link of a friend. */
  tapLink(link: string, language: Language): Promise<ReplyOf<"TapLink">> {
    return this.client.ask("TapLink", { link, language });
  }

  /** Open with a ticket. Rejects with a refusal `no_ticket` if it has lapsed. */
  openWith(packetId: bigint, ticket: bigint): Promise<ReplyOf<"Open">> {
    return this.client.ask("Open", { packet_id: packetId, ticket });
  }

  /** Grab and open, as often as it takes: with `ticket` first, if there is one. Temporary refusals are waited out for
   * `patienceMs`. An open that was executed is answered with the same share. */
  async open(packetId: bigint, ticket = 0n, patienceMs = 20_000): Promise<ReplyOf<"Open">> {
    const giveUpAt = performance.now() + patienceMs;
    for (let held = ticket; ; held = 0n) {
      try {
        if (held) return await this.client.patiently(() => this.openWith(packetId, held), patienceMs);
        const grabbed = await this.client.patiently(() => this.grab(packetId), patienceMs);
        if (grabbed.answer === "ticket") {
          return await this.client.patiently(() => this.openWith(packetId, grabbed.ticket), patienceMs);
        }
        if (grabbed.answer !== "busy") return { ...grabbed, kind: "Opened", left_shares: 0 };
        if (performance.now() > giveUpAt) return { ...grabbed, kind: "Opened", left_shares: 0 };
        await sleep(grabbed.retry_after_ms);
      } catch (error) {
        if (!isRefused(error, "no_ticket") || performance.now() > giveUpAt) throw error;
      }
    }
  }

  grab(packetId: bigint): Promise<ReplyOf<"Grab">> {
    return this.client.ask("Grab", { packet_id: packetId });
  }

  /** Say the words of a password packet. */
  sayWords(packetId: bigint, words: string): Promise<ReplyOf<"SayWords">> {
    return this.client.ask("SayWords", { packet_id: packetId, words });
  }

  /** My packets that wait for their time, the next one first. */
  async scheduled(): Promise<ScheduledLine[]> {
    return (await this.client.ask("GetScheduled", {})).packets;
  }

  /** Cancel one of them before its time; the amount that came back. */
  async cancelScheduled(packetId: bigint): Promise<number> {
    return (await this.client.ask("CancelScheduled", { packet_id: packetId })).refunded_fen;
  }

  /** Who got how much. `beforeIndex` 0: the newest claims; `watch`: later ones come as ResultUpdate. */
  async result(packetId: bigint, language: Language, beforeIndex = 0, watch = false): Promise<ReplyOf<"ResultPage">["page"]> {
    const fields = { packet_id: packetId, language, before_index: beforeIndex, watch };
    return (await this.client.ask("ResultPage", fields)).page;
  }

  async stopWatching(packetId: bigint): Promise<void> {
    await this.client.ask("StopWatching", { packet_id: packetId });
  }

  /** Push my unfinished packet again: where it was sent, or to another group of mine. Not repeated. */
  sendAgain(packetId: bigint, groupId = 0n): Promise<ReplyOf<"SendAgain">> {
    return this.client.ask("SendAgain", { packet_id: packetId, group_id: groupId });
  }

  /** A link to a fission packet that I have opened, and the text to say it with. */
  passOn(packetId: bigint, language: Language): Promise<ReplyOf<"PassOn">> {
    return this.client.ask("PassOn", { packet_id: packetId, language });
  }

  /** What I sent or received in a year (0: this one), newest first, behind a line. */
  records(
    direction: "sent" | "received", year = 0, beforeAtMs = 0, beforePacketId = 0n,
  ): Promise<ReplyOf<"Records">> {
    const before = { before_at_ms: beforeAtMs, before_packet_id: beforePacketId };
    return this.client.ask("Records", { direction, year, ...before });
  }

  /** The changes of the wallet behind a version of it, oldest first, a page at a time. */
  async entries(afterVersion: number): Promise<{ entries: EntryLine[]; more: boolean }> {
    return this.client.ask("GetEntries", { after_version: afterVersion });
  }

  /** The changes of the wallet with counterparties, newest first, in pages. */
  statement(beforeVersion = 0): Promise<ReplyOf<"GetStatement">> {
    return this.client.ask("GetStatement", { before_version: beforeVersion });
  }

  /** The roots that the server commits to for my next packets; asked before a send, `verify` checks them. */
  async seedTrees(): Promise<ReplyOf<"GetSeedTrees">> {
    const trees = await this.client.ask("GetSeedTrees", {});
    this.keptSeeds.told(trees);
    return trees;
  }

  reveal(packetId: bigint): Promise<ReplyOf<"Reveal">> {
    return this.client.ask("Reveal", { packet_id: packetId });
  }

  /** The proof of a packet or a campaign that is over, and its check here. Of a campaign it has the reader's wins. */
  async verify(packetId: bigint): Promise<{ revealed: ReplyOf<"Reveal">; verdict: Verdict }> {
    const revealed = await this.reveal(packetId);
    return { revealed, verdict: this.keptSeeds.check(revealed) };
  }

  // --- campaigns -------------------------------------------------------------------------------------------------

  shake(campaignId: bigint): Promise<ReplyOf<"Shake">> {
    return this.client.ask("Shake", { campaign_id: campaignId });
  }

  async campaign(campaignId: bigint, language: Language): Promise<ReplyOf<"CampaignInfo">> {
    const shown = await this.client.ask("CampaignInfo", { campaign_id: campaignId, language });
    this.keptSeeds.campaignTold(shown.campaign);
    return shown;
  }

  async campaigns(beforeCampaignId = 0n): Promise<ReplyOf<"ListCampaigns">> {
    const listed = await this.client.ask("ListCampaigns", { before_campaign_id: beforeCampaignId });
    listed.campaigns.forEach((one) => this.keptSeeds.campaignTold(one));
    return listed;
  }
}
