/** What a sender keeps from before and from the send, and what a proof then shows about the choice of the seed. */

import { isPool, type ProofStep, stepsOf } from "./fairness.js";
import type { CampaignLine, PacketSent, Revealed, SeedTrees } from "./messages.js";
import { toHex } from "./sha256.js";

const SEEDS_PER_TREE = 64;
const KEPT_MAX = 1_000; // packets, and campaigns; the oldest are dropped

interface Kept {
  commitment: string;
  clientSeed: string;
  isCertain: boolean; // false: an earlier run of the app may have sent the packet, with another client seed
  root: string | undefined; // of the tree of its server seed, if it was told before the send
}

export type Contradiction = "tree" | "commitment" | "client_seed" | "root";
export type Unproven = "old_server" | "no_client_seed" | "not_mine" | "root_not_told" | "client_seed" | "campaign_not_told";

/** The check of a proof: its steps, what contradicts what was kept, and what it does not show. */
export interface Verdict {
  steps: ProofStep[];
  contradictions: Contradiction[];
  unproven: Unproven[];
  /** Every step fits, and nothing contradicts. */
  isFair: boolean;
}

export class KeptSeeds {
  private readonly roots = new Map<number, string>();
  private readonly sentPackets = new Map<bigint, Kept>();
  private readonly campaigns = new Map<bigint, string>(); // their commitments, told before the end
  private hasChanged = false;

  /** The server has committed to these trees. What it told first is kept. */
  told(trees: SeedTrees): void {
    for (const { number, root } of trees.trees) {
      const first = this.roots.get(number);
      if (first === undefined) this.roots.set(number, toHex(root));
      else this.hasChanged ||= first !== toHex(root);
    }
  }

  /** A packet was sent. A repeated send keeps what the first one gave. */
  sent(reply: PacketSent, clientSeed: Uint8Array, isCertain: boolean): void {
    if (this.sentPackets.has(reply.packet_id)) return;
    const root = this.roots.get(Math.floor(reply.seed_index / SEEDS_PER_TREE));
    const kept = { commitment: toHex(reply.commitment), clientSeed: toHex(clientSeed), isCertain, root };
    this.sentPackets.set(reply.packet_id, kept);
    const [oldest] = this.sentPackets.keys();
    if (this.sentPackets.size > KEPT_MAX) this.sentPackets.delete(oldest!);
  }

  /** A campaign was told. The commitment that came first, and before its end, is kept. */
  campaignTold({ campaign_id, commitment, state }: CampaignLine): void {
    if (state === "ended" || !commitment.length || this.campaigns.has(campaign_id)) return;
    this.campaigns.set(campaign_id, toHex(commitment));
    const [oldest] = this.campaigns.keys();
    if (this.campaigns.size > KEPT_MAX) this.campaigns.delete(oldest!);
  }

  /** Check a proof by itself and against what was kept. */
  check(revealed: Revealed): Verdict {
    const steps = stepsOf(revealed);
    const kept = this.sentPackets.get(revealed.packet_id);
    const found = isPool(revealed)
      ? this.checkCampaign(revealed)
      : { contradictions: [...contradictionsOf(kept, revealed)], unproven: [...unprovenOf(kept, revealed)] };
    const contradictions = [...(this.hasChanged ? (["tree"] as const) : []), ...found.contradictions];
    const isFair = steps.every((step) => step.fits) && !contradictions.length;
    return { steps, contradictions, unproven: found.unproven, isFair };
  }

  /** What was told of a campaign while it ran, against its proof. */
  private checkCampaign({ packet_id, commitment }: Revealed): Pick<Verdict, "contradictions" | "unproven"> {
    const told = this.campaigns.get(packet_id);
    return {
      contradictions: told !== undefined && told !== toHex(commitment) ? ["commitment"] : [],
      unproven: told === undefined ? ["campaign_not_told"] : [],
    };
  }
}

function* contradictionsOf(kept: Kept | undefined, revealed: Revealed): Generator<Contradiction> {
  if (kept === undefined) return;
  if (toHex(revealed.commitment) !== kept.commitment) yield "commitment";
  const hasSeed = revealed.seed_index >= 0 && kept.isCertain;
  if (hasSeed && toHex(revealed.client_seed) !== kept.clientSeed) yield "client_seed";
  if (kept.root !== undefined && toHex(revealed.root) !== kept.root) yield "root";
}

function* unprovenOf(kept: Kept | undefined, revealed: Revealed): Generator<Unproven> {
  if (revealed.seed_index < 0) yield "old_server";
  else if (!revealed.client_seed.length) yield "no_client_seed";
  if (kept === undefined) yield "not_mine";
  else if (revealed.seed_index >= 0) {
    if (kept.root === undefined) yield "root_not_told";
    if (!kept.isCertain && toHex(revealed.client_seed) !== kept.clientSeed) yield "client_seed";
  }
}
