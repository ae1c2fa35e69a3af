/** The content of the send form. Pure: switching between the kinds keeps what was typed. */

export type DraftKind = "lucky" | "equal" | "personal";

/** A packet to send. `amountFen` was typed for `typedKind`: a total, or one share (equal). */
export interface Draft {
  kind: DraftKind;
  amountFen: number;
  shares: number;
  typedKind: DraftKind;
}

export const newDraft = (kind: DraftKind, amountFen = 0, shares = kind === "personal" ? 1 : 0): Draft => ({
  kind, amountFen, shares, typedKind: kind,
});

/** The amount as the form shows it: single = total ÷ shares, rounded down to a whole fen, and total = single × shares.
 * So the packet never costs more than was typed. */
export function shownFen(draft: Draft): number {
  const { kind, typedKind, amountFen, shares } = draft;
  if ((kind === "equal") === (typedKind === "equal")) return amountFen;
  return kind === "equal" ? Math.floor(amountFen / Math.max(1, shares)) : amountFen * Math.max(1, shares);
}

/** What the packet costs. */
export function totalFen(draft: Draft): number {
  return draft.kind === "equal" ? shownFen(draft) * draft.shares : shownFen(draft);
}

/** The other kind of a group. Switching back gives exactly what was typed. */
export function switched(draft: Draft): Draft {
  return { ...draft, kind: draft.kind === "lucky" ? "equal" : "lucky" };
}

export function withAmount(draft: Draft, amountFen: number): Draft {
  return { ...draft, amountFen, typedKind: draft.kind };
}

/** A number of shares was typed; the amount that the form shows does not change. */
export function withShares(draft: Draft, shares: number): Draft {
  return { ...withAmount(draft, shownFen(draft)), shares };
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
  if (draft.shares > limits.sharesMax) return "shares_max";
  const total = totalFen(draft);
  if (!draft.shares || !shownFen(draft)) return undefined;
  if (total > limits.totalMax) return "total_max";
  if (total / draft.shares > limits.shareMax) return "share_max";
  return total / draft.shares < limits.shareMin ? "share_min" : undefined;
}

export function isComplete(draft: Draft): boolean {
  return draft.shares > 0 && shownFen(draft) > 0;
}
