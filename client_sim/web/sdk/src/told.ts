/**
 * The notices that the app has received: reminders repeat them, and an app receives each notice once.
 *
 * Claims, finishes and refunds are pushed as they happen, and stand once more as numbered posts in the streams for
 * users who were away. The pushes that a post repeats, less those that the app had, come right before it.
 */

import type { Notice, Reminder } from "./messages.js";

const TOLD_MAX = 20_000; // notices remembered; the oldest give way
const USER_ID_MAX = BigInt(Number.MAX_SAFE_INTEGER);

export class Told {
  private readonly told = new Set<string>(); // in their order

  /** Whether the app has not had it yet; from now on it has. */
  isNew(notice: Notice): boolean {
    const key = keyOf(notice);
    if (this.told.has(key)) return false;
    this.told.add(key);
    if (notice.kind === "PacketFinished") this.told.add(finishOf(notice.packet_id));
    for (const oldest of this.told) {
      if (this.told.size <= TOLD_MAX) break;
      this.told.delete(oldest);
    }
    return true;
  }

  /** The notices in a reminder that the app has not had. The finish in the inbox of the sender is none if the app has
   * had that of a group: it is the same finish. */
  fresh(reminder: Reminder): Notice[] {
    const isInbox = reminder.kind === "FinishReminder" && reminder.stream_id <= USER_ID_MAX;
    if (isInbox && this.told.has(finishOf(reminder.packet_id))) return [];
    return noticesOf(reminder).filter((notice) => this.isNew(notice));
  }
}

const finishOf = (packetId: bigint) => `${packetId} finish`;

function keyOf(notice: Notice): string {
  if (notice.kind === "ClaimNotice") return `${notice.packet_id} ${notice.index}`;
  return notice.kind === "PacketFinished"
    ? `${notice.packet_id} finish ${notice.stream_id}`
    : `${notice.packet_id} refund`;
}

function noticesOf(reminder: Reminder): Notice[] {
  const { packet_id } = reminder;
  switch (reminder.kind) {
    case "ClaimsReminder":
      return reminder.claims.map(({ user_id, index, amount_fen }) => {
        const left_shares = reminder.shares - index - 1;
        return { kind: "ClaimNotice", seq: 0, packet_id, user_id, index, amount_fen, left_shares };
      });
    case "FinishReminder": {
      const { stream_id, shares, took_ms, best_user_id, best_amount_fen } = reminder;
      const fields = { packet_id, stream_id, shares, took_ms, best_user_id, best_amount_fen };
      return [{ kind: "PacketFinished", seq: 0, ...fields }];
    }
    case "RefundReminder":
      return [{ kind: "PacketRefunded", seq: 0, packet_id, refunded_fen: reminder.refunded_fen }];
  }
}
