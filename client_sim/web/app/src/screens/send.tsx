/** The send form. In a group it is a lucky packet at first, and switching keeps what was typed; to one user amount and greeting. */

import { money } from "@hongbao/sdk";
import { useEffect, useState } from "preact/hooks";
import { Field, Page } from "../parts/page.js";
import {
  type Draft, faultOf, isComplete, type Limits, newDraft, shownFen, switched, totalFen, withAmount, withShares,
} from "../state/draft.js";
import { paymentOf } from "../state/pay.js";
import type { Order, Payment } from "../state/orders.js";
import type { Session } from "../state/session.js";
import { useView } from "../view.js";

interface SendProps {
  streamId: bigint;
  amountFen?: number;
  shares?: number;
}

function limitsOf({ client }: Session): Limits {
  return {
    shareMin: client.limit("share_fen_min", 1),
    shareMax: client.limit("share_fen_max", 20_000),
    totalMax: client.limit("total_fen_max", 2_000_000),
    sharesMax: client.limit("shares_max", 500),
  };
}

function faultText(session: Session, draft: Draft): string {
  const limits = limitsOf(session);
  const fault = faultOf(draft, limits);
  if (fault === undefined) return "";
  const amounts = { share_min: limits.shareMin, share_max: limits.shareMax, total_max: limits.totalMax, shares_max: 0 };
  return session.t(`fault_${fault}`, { amount: session.amount(amounts[fault]), count: limits.sharesMax });
}

/** How many members a group has; undefined until it is known. */
function useMembers(streamId: bigint, isGroup: boolean): number | undefined {
  const { session } = useView();
  const [count, setCount] = useState<number>();
  useEffect(() => {
    if (!isGroup) return;
    void session.quietly(async () => {
      const page = await session.client.patiently(() => session.client.members(streamId));
      if (!page.more) setCount(page.user_ids.length);
    });
  }, []);
  return count;
}

export function SendPage({ streamId, amountFen, shares }: SendProps) {
  const { session, nav } = useView();
  const isPersonal = session.model.conversations.get(streamId)?.isOneToOne ?? false;
  const [draft, setDraft] = useState(() => newDraft(isPersonal ? "personal" : "lucky", amountFen, shares));
  const typedOf = (one: Draft) => (shownFen(one) ? money.typed(session.unit, shownFen(one)) : "");
  const [typed, setTyped] = useState(() => typedOf(draft));
  const [greeting, setGreeting] = useState("");
  const [payment, setPayment] = useState<Payment>();
  const members = useMembers(streamId, !isPersonal);

  const type = (text: string) => {
    if (text && money.parse(session.unit, text) === undefined) return; // the key is not taken
    setTyped(text);
    setDraft(withAmount(draft, money.parse(session.unit, text) ?? 0));
  };
  const count = (text: string) => /^\d{0,5}$/.test(text) && setDraft(withShares(draft, Number(text)));
  const toggle = () => {
    const other = switched(draft);
    setDraft(other);
    setTyped(typedOf(other));
  };
  const fault = faultText(session, draft);
  const send = (event: Event) => {
    event.preventDefault();
    if (!isComplete(draft) || fault) return;
    const order: Order = {
      what: "packet", kind: draft.kind, targetId: streamId, amountFen: shownFen(draft), totalFen: totalFen(draft),
      shares: draft.shares, text: greeting.trim(),
    };
    const isSame = payment !== undefined && JSON.stringify(payment.order, bigText) === JSON.stringify(order, bigText);
    const paid = isSame ? payment : paymentOf(order); // edited: another payment
    setPayment(paid);
    nav.push({ at: "pay", payment: paid });
  };
  return (
    <Page title={session.t("send_packet")} kind="send">
      <p class={fault ? "fault shown" : "fault"} role="alert">{fault}</p>
      <form class="form" onSubmit={send}>
        {draft.kind === "lucky" && (
          <Field label={session.t("total")} value={typed} onInput={type} mode="decimal" hint={money.typed(session.unit, 0)}
            unit={session.unit[session.language]} autoFocus />
        )}
        {draft.kind !== "personal" && (
          <>
            {draft.kind === "equal" && (
              <Field label={session.t("single")} value={typed} onInput={type} mode="decimal" hint={money.typed(session.unit, 0)}
                unit={session.unit[session.language]} />
            )}
            <p class="kind-line">
              {session.t(draft.kind === "lucky" ? "is_lucky" : "is_equal")}
              <button type="button" class="link" onClick={toggle}>
                {session.t(draft.kind === "lucky" ? "to_equal" : "to_lucky")}
              </button>
            </p>
            <Field label={session.t("shares")} value={draft.shares ? String(draft.shares) : ""} onInput={count} mode="numeric"
              hint={session.t("shares_hint")} unit={session.t("shares_unit")} />
            <p class="hint">{members !== undefined ? session.t("members_count", { count: members }) : " "}</p>
          </>
        )}
        {draft.kind === "personal" && (
          <Field label={session.t("amount")} value={typed} onInput={type} mode="decimal" hint={money.typed(session.unit, 0)}
            unit={session.unit[session.language]} autoFocus />
        )}
        <Field label={session.t("greeting")} value={greeting} onInput={setGreeting} hint={session.t("default_greeting")} maxLength={60} />
        <p class="big-amount" aria-live="polite">
          <small>{session.unit.symbol}</small>{money.number(session.unit, totalFen(draft))}
        </p>
        <button type="submit" class="red-button" disabled={!isComplete(draft) || fault !== ""}>{session.t("put_money")}</button>
      </form>
      <p class="page-foot">{session.t("refund_hint")}</p>
    </Page>
  );
}

function bigText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}
