/** What the app keeps for its next start, also without a network: the newest posts, names, states of packets. */

import { type CampaignLine, fromHex, type Post, toHex } from "@hongbao/sdk";
import type { PacketState } from "./model.js";

export interface KeptConversation {
  streamId: bigint;
  name: string;
  ownerId: number;
  isOneToOne: boolean;
  lastMessage: number;
  posts: Post[];
  draft?: string;
  unread?: number;
}

export interface Snapshot {
  userId: number;
  balanceFen: number;
  walletVersion: number;
  campaigns?: CampaignLine[]; // so that the list does not move under the finger when they are told
  names: [number, string][];
  conversations: KeptConversation[];
  positions: [bigint, number][];
  packets: [bigint, PacketState, number][];
  words?: [bigint, string][];
}

const STORED_AS = "hongbao.snapshot.1";

/** The storage of the browser; undefined if it is refused. */
export function storage(): Storage | undefined {
  try {
    return localStorage;
  } catch {
    return undefined;
  }
}

/** JSON has neither BigInt nor bytes. */
export function packed(_: string, value: unknown): unknown {
  if (typeof value === "bigint") return { n: String(value) };
  return value instanceof Uint8Array ? { x: toHex(value) } : value;
}

export function unpacked(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  const { n, x } = value as { n?: string; x?: string };
  if (n !== undefined) return BigInt(n);
  return x === undefined ? value : fromHex(x);
}

/** Keep it. Without room or permission nothing is kept. */
export function keep(snapshot: Snapshot): void {
  try {
    storage()?.setItem(STORED_AS, JSON.stringify(snapshot, packed));
  } catch {
    storage()?.removeItem(STORED_AS);
  }
}

/** What an earlier start of this user has kept. */
export function kept(userId: number): Snapshot | undefined {
  try {
    const found = JSON.parse(storage()?.getItem(STORED_AS) ?? "null", unpacked) as Snapshot | null;
    return found?.userId === userId ? found : undefined;
  } catch {
    return undefined;
  }
}
