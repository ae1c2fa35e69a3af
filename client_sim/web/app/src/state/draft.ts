/** The content of the send form. Pure: switching between the kinds keeps what was typed. */

export type DraftKind = "lucky" | "equal" | "exclusive" | "password" | "personal";

/** The kinds whose amount is that of one share. */
const PER_SHARE: ReadonlySet<DraftKind> = new Set(["equal", "exclusive"]);

/** A packet to send. `amountFen` was typed for `typedKind`: a total, or one share. `forUserIds`: whom an exclusive
 * packet is for; it has one share for each of them. `words`: those of a password packet. */
export interface Draft {
  kind: DraftKind;
  amountFen: number;
  shares: number;
  typedKind: DraftKind;
  forUserIds: number[];
  words: string;
}

export const newDraft = (kind: DraftKind, amountFen = 0, shares = kind === "personal" ? 1 : 0): Draft => ({
  kind, amountFen, shares, typedKind: kind, forUserIds: [], words: "",
});

/** The number of shares: of an exclusive packet as many as users are named. */
export function sharesOf(draft: Draft): number {
  return draft.kind === "exclusive" ? draft.forUserIds.length : draft.shares;
}

/** The amount as the form shows it: single = total ÷ shares, rounded down to a whole fen, and total = single × shares.
 * So the packet never costs more than was typed. */
export function shownFen(draft: Draft): number {
  const { kind, typedKind, amountFen } = draft;
  if (PER_SHARE.has(kind) === PER_SHARE.has(typedKind)) return amountFen;
  const shares = Math.max(1, sharesOf(draft));
  return PER_SHARE.has(kind) ? Math.floor(amountFen / shares) : amountFen * shares;
}

/** What the packet costs. */
export function totalFen(draft: Draft): number {
  return PER_SHARE.has(draft.kind) ? shownFen(draft) * sharesOf(draft) : shownFen(draft);
}

/** Another kind for a group. Turning back gives exactly what was typed. */
export function turned(draft: Draft, kind: DraftKind): Draft {
  return { ...draft, kind };
}

export function withAmount(draft: Draft, amountFen: number): Draft {
  return { ...draft, amountFen, typedKind: draft.kind };
}

/** A number of shares was typed; the amount that the form shows does not change. */
export function withShares(draft: Draft, shares: number): Draft {
  return { ...withAmount(draft, shownFen(draft)), shares };
}

/** Users were named. An amount of one share that was typed stays, and so does a total. */
export function withUsers(draft: Draft, forUserIds: number[]): Draft {
  return { ...draft, forUserIds };
}

export interface Limits {
  shareMin: number;
  shareMax: number;
  totalMax: number;
  sharesMax: number;
}

export type Fault = "share_min" | "share_max" | "total_max" | "shares_max";

/** What is wrong with a draft that has an amount and shares; undefined: it may be sent, or is not complete. */
export function faultOf(draft: Draft, limits: Limits): Fault | undefined {
  const shares = sharesOf(draft);
  if (shares > limits.sharesMax) return "shares_max";
  const total = totalFen(draft);
  if (!shares || !shownFen(draft)) return undefined;
  if (total > limits.totalMax) return "total_max";
  if (total / shares > limits.shareMax) return "share_max";
  return total / shares < limits.shareMin ? "share_min" : undefined;
}

export function isComplete(draft: Draft): boolean {
  return sharesOf(draft) > 0 && shownFen(draft) > 0 && (draft.kind !== "password" || draft.words.trim() !== "");
}
