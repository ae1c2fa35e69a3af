/** What is to be paid, and the ways to pay it. Pure. Nothing secret is kept here. */

import type { CardLine } from "@hongbao/sdk";
import type { DraftKind } from "./draft.js";

export type What = "packet" | "topup" | "withdraw" | "transfer";

/** What a user asks for. `amountFen` was typed, of equal and exclusive packets for one share; `totalFen` is the cost.
 * `targetId`: who gets it, a group or a user; 0 is the user's own wallet or card. `sendAtMs`: when the packet is
 * posted, 0 is at once. */
export interface Order {
  what: What;
  amountFen: number;
  totalFen: number;
  targetId: bigint;
  kind: DraftKind;
  shares: number;
  text: string;
  forUserIds?: number[];
  words?: string;
  sendAtMs?: number;
}

/** An order with the key and the client seed that it keeps until its outcome is known, however it is paid. */
export interface Payment {
  order: Order;
  key: string;
  clientSeed: Uint8Array;
}

/** What a user can pay with, besides the wallet. */
export interface Payer {
  cards: CardLine[];
  hasPassword: boolean;
  takesCards: boolean;
  needsPassword: boolean; // from the wallet, too
}

export interface Way {
  name: "wallet" | "card" | "new";
  card?: CardLine;
  isShort: boolean; // the wallet holds less
  needsPassword: boolean;
}

/** The ways to pay an order, in the order in which they are offered. */
export function waysOf(order: Order, payer: Payer, balanceFen: number): Way[] {
  const ways: Way[] = [];
  if (order.what === "packet" || order.what === "transfer") {
    ways.push({ name: "wallet", isShort: balanceFen < order.totalFen, needsPassword: payer.needsPassword });
  }
  if (order.what !== "transfer") {
    ways.push(...payer.cards.map((card) => ({ name: "card" as const, card, isShort: false, needsPassword: true })));
    if (payer.takesCards) ways.push({ name: "new", isShort: false, needsPassword: false });
  }
  return ways;
}

/** The way that is chosen at first: the wallet if it holds enough, else the first card. */
export function firstWay(ways: Way[]): number {
  return Math.max(0, ways.findIndex((way) => !way.isShort));
}
