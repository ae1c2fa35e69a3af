/** Top up, withdraw, transfer: an amount, and for a transfer to whom; then the pay sheet. */

import { money } from "@hongbao/sdk";
import { Next } from "../parts/icons.js";
import { Big, Field, Page } from "../parts/page.js";
import type { Order } from "../state/orders.js";
import { paymentOf } from "../state/pay.js";
import { useTyped, useView } from "../view.js";

export function MoneyPage({ what, userId }: { what: "topup" | "withdraw" | "transfer"; userId?: number }) {
  const { session, nav } = useView();
  const [{ amount, to, isNumber, note }, type] = useTyped(() => ({
    amount: "",
    to: userId === undefined ? "" : String(userId),
    isNumber: false, // the user is none of those known here
    note: "",
  }));
  const amountFen = money.parse(session.unit, amount) ?? 0;
  const { balanceFen, names, userId: me } = session.model;
  const isShort = what !== "topup" && amountFen > balanceFen;
  const isUser = /^[1-9]\d{0,15}$/.test(to.trim()) && Number.isSafeInteger(Number(to));
  const isReady = amountFen > 0 && !isShort && (what !== "transfer" || isUser);
  const done = () => {
    const figures = { amount: session.amount(amountFen), name: session.model.nameOf(Number(to)) };
    session.say(session.t(what === "topup" ? "topped_up" : what === "withdraw" ? "withdrawn" : "transferred", figures));
  };
  const go = (event: Event) => {
    event.preventDefault();
    if (!isReady) return;
    const targetId = what === "transfer" ? BigInt(to.trim()) : 0n;
    const order: Order = { what, amountFen, totalFen: amountFen, targetId, kind: "personal", shares: 1, text: note.trim() };
    if (what === "transfer") session.learnNames([Number(targetId)]);
    nav.push({ at: "pay", payment: paymentOf(session, order), onPaid: done });
  };
  return (
    <Page title={session.t(what)} kind="send">
      <form class="form" onSubmit={go}>
        {what === "transfer" && (
          userId === undefined ? (
            <>
              <label class="field">
                <span class="field-label">{session.t("to_whom")}</span>
                <select aria-label={session.t("to_whom")} onChange={({ currentTarget: { value } }) => type({ isNumber: value === "0", to: value === "0" ? "" : value })}>
                  <option value="">{session.t("choose")}</option>
                  {[...names].map(([id, name]) => id !== me && name && <option key={id} value={id} selected={to === String(id)}>{name}</option>)}
                  <option value="0" selected={isNumber}>{session.t("user_id")}</option>
                </select>
                <Next />
              </label>
              {isNumber && <Field label={session.t("user_id")} value={to} onInput={(to) => type({ to })} mode="numeric" autoFocus />}
            </>
          ) : (
            <p class="about">{session.t("pay_transfer", { name: session.model.nameOf(userId) })}</p>
          )
        )}
        <Field label={session.t("amount")} value={amount} mode="decimal" hint={money.typed(session.unit, 0)} autoFocus={what !== "transfer" || userId !== undefined}
          unit={session.unit[session.language]}
          onInput={(text) => (!text || money.parse(session.unit, text) !== undefined) && type({ amount: text })} />
        {what === "transfer" && <Field label={session.t("note")} value={note} onInput={(note) => type({ note })} maxLength={60} />}
        {what !== "topup" && (
          <p class={isShort ? "hint danger" : "hint"} role="status">
            {session.t(isShort ? "wallet_short" : "by_wallet", { amount: session.amount(balanceFen) })}
            {what === "withdraw" && balanceFen > 0 && (
              <button type="button" class="link" onClick={() => type({ amount: money.typed(session.unit, balanceFen) })}>{session.t("all")}</button>
            )}
          </p>
        )}
        <Big fen={amountFen} />
        <button type="submit" class="green-button" disabled={!isReady}>{session.t(what === "transfer" ? "transfer" : "next")}</button>
      </form>
    </Page>
  );
}
