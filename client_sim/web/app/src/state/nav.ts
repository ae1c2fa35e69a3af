/** The pages on top of each other. The back button of the phone closes the top one. */

import type { OpenPageShown, ResultPageBody } from "@hongbao/sdk";
import { keepPlaces, keptPlaces } from "./kept_places.js";
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
  | { at: "result"; packetId: bigint; packet?: Packet | undefined; page?: ResultPageBody | undefined; campaignId?: bigint }
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

/** A page with what was typed on it. */
export type KeptPlace = Place & { typed?: unknown };

/** These lie over a part of the page below. */
export const SHEETS: ReadonlySet<Place["at"]> = new Set(["pay", "open", "again", "pass"]);

export class Nav {
  stack: Place[] = [];
  private focus: (Element | null)[] = []; // what had the focus below each page
  // A browser goes back a moment after it is asked to, and forgets a second wish that comes meanwhile.
  private isGoing = false;
  private toStay: number | undefined; // so many pages, once it has gone back
  private toOpen: Place[] = [];

  /** A page that is loaded again has the pages that were open before. */
  constructor(private readonly changed: () => void) {
    const depth = depthOf(history.state);
    this.stack = keptPlaces().slice(0, depth);
    history.replaceState({ depth: this.stack.length }, "");
    // the pages above cannot be had again; a browser that has lost their entries does nothing, and all holds as well
    if (this.stack.length < depth) history.go(this.stack.length - depth);
    addEventListener("popstate", (event) => {
      this.isGoing = false;
      const depth = depthOf(event.state);
      if (depth > this.stack.length) history.go(this.stack.length - depth); // forward: that page is gone
      this.cut(depth);
      this.go();
      if (!this.isGoing) this.toOpen.splice(0).forEach((place) => this.push(place));
    });
  }

  /** Keep the pages for a start after this one. */
  keep(): void {
    keepPlaces(this.stack);
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

  /** Close the top page. */
  back(): void {
    this.closeTo((this.toStay ?? this.stack.length) - 1);
  }

  /** Close a page with those above it, and so many below it. A user who has left it meanwhile loses no other page. */
  close(place: Place, below = 0): void {
    const at = this.stack.indexOf(place);
    if (at >= 0) this.closeTo(Math.min(at - below, this.toStay ?? at));
  }

  private closeTo(depth: number): void {
    this.toStay = Math.max(0, depth);
    this.go();
  }

  private go(): void {
    if (this.isGoing) return;
    const count = this.stack.length - (this.toStay ?? this.stack.length);
    this.isGoing = count > 0;
    if (this.isGoing) history.go(-count);
    else this.toStay = undefined;
  }

  /** Only this chat, as when it is chosen beside another one. `from`: the page that led there, if it is still open. */
  only(place: Place, from?: Place): void {
    if (from !== undefined && !this.stack.includes(from)) return;
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

const depthOf = (state: unknown) => (state as { depth?: number } | null)?.depth ?? 0;
