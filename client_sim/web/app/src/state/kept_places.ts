/** The open pages, with what was typed on them, for a start after a reload, or after the phone has dropped the page. */

import type { KeptPlace, Place } from "./nav.js";
import { packed, unpacked } from "./snapshot.js";

const STORED_AS = "hongbao.places.1";

/** Pages that can be had again. A sheet cannot, nor a page that answers to the one below, nor what holds a secret; the
 * sheet of a payment can that has begun: its outcome is to be told. */
const KEPT: ReadonlySet<Place["at"]> = new Set([
  "chat", "send", "scheduled", "result", "proof", "wallet", "records", "statement", "cards", "money", "shake", "members", "me",
]);

/** Keep them for this tab alone, up to the first that cannot be had again. Without room nothing is kept. */
export function keepPlaces(stack: Place[]): void {
  const isKept = (place: KeptPlace) =>
    KEPT.has(place.at) || (place.at === "pay" && (place.typed as { cardId?: bigint } | undefined)?.cardId !== undefined);
  const end = stack.findIndex((place) => !isKept(place));
  try {
    sessionStorage.setItem(STORED_AS, JSON.stringify(end < 0 ? stack : stack.slice(0, end), packed));
  } catch {
    // the next start shows the list of chats
  }
}

export function keptPlaces(): Place[] {
  try {
    return JSON.parse(sessionStorage.getItem(STORED_AS) ?? "[]", unpacked) as Place[];
  } catch {
    return [];
  }
}
