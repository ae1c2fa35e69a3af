/** Pays an order, by a card or from the wallet. While the outcome is unknown it asks again with the same key. */

import { isOutcome, isRefused, type ReplyOf, sha256, sleep } from "@hongbao/sdk";
import type { Order, Payment, What } from "./orders.js";
import type { Session } from "./session.js";

const UNKNOWN_PATIENCE_MS = 60_000; // so long a payment is asked about before the user is told to come back
const ASK_AGAIN_MS = 500;

const UTF8 = new TextEncoder();

/** The payment of an order: the same one again while its outcome is unknown, also if the order is typed again in
 * another form, or after the app was loaded again. */
export function paymentOf({ client }: Session, order: Order): Payment {
  const { keys } = client;
  const key = keys.take(UTF8.encode(contentOf(order)));
  keys.keep(key);
  return { order, key, clientSeed: seedOf(key) };
}

/** What is the same in two orders that are meant as one. */
function contentOf(order: Order): string {
  return JSON.stringify(order, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value));
}

/** It follows from the key, which is random and as secret until the send: so both come back together. */
const seedOf = (key: string) => sha256(UTF8.encode(`client seed ${key}`));

const ORDERS: Record<What, (session: Session, payment: Payment, cardId: bigint, password: string) => Promise<unknown>> = {
  packet({ client }, { order, key, clientSeed }, cardId, password) {
    const { kind, targetId, amountFen, shares, text, forUserIds = [], words = "", sendAtMs = 0 } = order;
    const more = { forUserIds, words, sendAtMs };
    return client.packets.send(kind, targetId, amountFen, shares, text, { key, clientSeed, cardId, password, ...more });
  },
  topup: ({ client }, { order, key }, cardId, password) => client.cards.topUp(cardId, order.amountFen, password, key),
  withdraw: ({ client }, { order, key }, cardId, password) =>
    client.cards.withdraw(cardId, order.amountFen, password, key),
  transfer: ({ client }, { order, key }, _cardId, password) =>
    client.cards.transfer(Number(order.targetId), order.amountFen, order.text, password, key),
};

/** Pay. `onUnknown` is called once if the bank takes its time. Rejects with a ClientError. */
export async function pay(
  session: Session, payment: Payment, cardId: bigint, password: string, onUnknown: () => void,
): Promise<void> {
  const giveUpAt = performance.now() + UNKNOWN_PATIENCE_MS;
  for (let given = password, isTold = false; ; given = "") {
    try {
      const reply = await ORDERS[payment.order.what](session, payment, cardId, given);
      session.client.keys.settle(payment.key);
      const { words } = payment.order;
      if (words) session.words.set((reply as ReplyOf<"SendPacket">).packet_id, words);
      void session.quietly(() => session.client.packets.seedTrees()); // for the next send
      return;
    } catch (error) {
      if (isOutcome(error)) {
        session.client.keys.settle(payment.key); // the same key would be refused again
        Object.assign(payment, paymentOf(session, payment.order)); // another try is another payment
      }
      if (!isRefused(error, "bank_unknown") || performance.now() > giveUpAt) throw error;
      if (!isTold) onUnknown();
      isTold = true;
      await sleep(Math.max(error.retryAfterMs, ASK_AGAIN_MS)); // it was allowed: the password is not needed again
    }
  }
}
