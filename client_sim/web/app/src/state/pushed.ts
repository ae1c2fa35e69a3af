/** What each push changes in a session, as a table. */

import type { Post, Push } from "@hongbao/sdk";
import { usersOf } from "./model.js";
import type { Session } from "./session.js";

type Takers = { [Kind in Push["kind"]]?: (session: Session, push: Extract<Push, { kind: Kind }>) => void };

function posted(session: Session, post: Post): void {
  session.learnNames(usersOf(post));
  if (session.model.posted(post, session.now()) !== undefined) session.changed();
}

const TAKERS: Takers = {
  TextPosted: posted,
  PacketPosted: posted,
  RelayPosted: posted,

  ClaimNotice(session, push) {
    const text = push.user_id === session.model.userId ? "own_claim" : "claim";
    const id = `${push.packet_id}.${push.index}`;
    const about = { userId: push.user_id, amountFen: push.amount_fen, packetId: push.packet_id };
    session.addNotice({ id, text, ...about });
  },

  PacketFinished(session, push) {
    session.movePacket(push.packet_id, "gone");
    if (!push.best_user_id) return;
    const about = { userId: push.best_user_id, amountFen: push.best_amount_fen, packetId: push.packet_id };
    session.addNotice({ id: `${push.packet_id}.best`, text: "best", ...about }, push.stream_id);
  },

  PacketRefunded(session, push) {
    session.movePacket(push.packet_id, "expired");
    const about = { userId: 0, amountFen: push.refunded_fen, packetId: push.packet_id };
    session.addNotice({ id: `${push.packet_id}.refund`, text: "refund", ...about });
  },

  BalanceChanged(session, push) {
    session.change(() => {
      session.model.balanceFen = push.balance_fen;
      const arrivedFen = push.reason === "claim" ? push.change_fen : 0;
      session.model.arrivingFen = Math.max(0, session.model.arrivingFen - arrivedFen);
    });
    if (push.reason === "transfer" && push.change_fen > 0) {
      session.say(session.t("got_transfer", { amount: session.amount(push.change_fen) }));
    }
    void session.quietly(() => session.learnClaims(push.version));
  },

  MissedChanges(session, push) {
    for (const entry of push.entries) {
      if (entry.reason === "claim") session.movePacket(entry.packet_id, "claimed", entry.change_fen);
    }
  },

  RemovedFromGroup(session, push) {
    session.change(() => session.model.remove(push.group_id));
  },

  AddedToGroup(session, push) {
    const added = session.model.place(push.group_id, push.name, push.owner_id, push.last_message);
    session.changed();
    void session.load(added);
  },

  Reloaded(session, push) {
    const conversation = session.model.conversations.get(push.stream_id);
    if (conversation === undefined) return;
    conversation.restart(push.last_message);
    void session.load(conversation);
    session.changed();
  },
};

/** Take in one push; unknown kinds are for newer clients and are ignored. */
export function take(session: Session, push: Push): void {
  (TAKERS[push.kind] as ((session: Session, push: Push) => void) | undefined)?.(session, push);
}
