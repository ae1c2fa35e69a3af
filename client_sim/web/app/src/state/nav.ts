/** The pages on top of each other. The back button of the phone closes the top one. */

import type { OpenPageShown, ResultPageBody } from "@hongbao/sdk";
import type { Packet } from "./model.js";
import type { Payment } from "./orders.js";

/** What is on the screen; the list of chats is below all of them. */
export type Place =
  | { at: "chat"; streamId: bigint }
  | { at: "send"; streamId: bigint; amountFen?: number; shares?: number }
  | { at: "people"; streamId: bigint; chosen: number[]; onChosen: (userIds: number[]) => void }
  | { at: "scheduled" }
  | { at: "pay"; payment: Payment; onPaid?: () => void }
  | { at: "bind"; payment?: Payment; onBound?: (cardId: bigint, password: string) => void }
  | { at: "password" }
  | { at: "open"; packet: Packet; page?: OpenPageShown }
  | { at: "result"; packetId: bigint; packet?: Packet | undefined; page?: ResultPageBody | undefined }
  | { at: "again"; packetId: bigint }
  | { at: "pass"; packetId: bigint }
  | { at: "proof"; packetId: bigint; isCampaign?: boolean } // or the id of a campaign
  | { at: "wallet" }
  | { at: "records" }
  | { at: "statement" }
  | { at: "cards" }
  | { at: "money"; what: "topup" | "withdraw" | "transfer"; userId?: number }
  | { at: "shake"; campaignId?: bigint }
  | { at: "members"; streamId: bigint }
  | { at: "me" };

/** These lie over a part of the page below. */
export const SHEETS: ReadonlySet<Place["at"]> = new Set(["pay", "open", "again", "pass"]);

export class Nav {
  stack: Place[] = [];
  private focus: (Element | null)[] = []; // what had the focus below each page
  // A browser goes back a moment after it is asked to, and forgets a second wish that comes meanwhile.
  private isGoing = false;
  private toClose = 0;
  private toOpen: Place[] = [];

  constructor(private readonly changed: () => void) {
    history.replaceState({ depth: 0 }, "");
    addEventListener("popstate", (event) => {
      this.isGoing = false;
      this.cut((event.state as { depth?: number } | null)?.depth ?? 0);
      this.go();
      if (!this.isGoing) this.toOpen.splice(0).forEach((place) => this.push(place));
    });
  }

  get top(): Place | undefined {
    return this.stack.at(-1);
  }

  push(place: Place): void {
    if (this.isGoing) {
      this.toOpen.push(place);
      return;
    }
    this.focus.push(document.activeElement);
    this.stack = [...this.stack, place];
    history.pushState({ depth: this.stack.length }, "");
    this.changed();
  }

  /** Put another page in place of the top one. */
  replace(place: Place): void {
    this.stack = [...this.stack.slice(0, -1), place];
    this.changed();
  }

  /** Close so many pages. */
  back(count = 1): void {
    this.toClose += count;
    this.go();
  }

  private go(): void {
    if (this.isGoing) return;
    const count = Math.min(this.toClose, this.stack.length);
    this.toClose = 0;
    this.isGoing = count > 0;
    if (count) history.go(-count);
  }

  /** Only this chat, as when it is chosen beside another one. */
  only(place: Place): void {
    if (!this.stack.length) this.push(place);
    else if (this.stack.length === 1) this.replace(place);
    else {
      this.isGoing = true;
      history.go(1 - this.stack.length);
      this.stack = [place];
      this.focus.length = 1;
      this.changed();
    }
  }

  private cut(depth: number): void {
    if (depth >= this.stack.length) return;
    const below = this.focus[depth];
    this.stack = this.stack.slice(0, depth);
    this.focus.length = depth;
    this.changed();
    requestAnimationFrame(() => (below as HTMLElement | null | undefined)?.focus?.({ preventScroll: true }));
  }
}
