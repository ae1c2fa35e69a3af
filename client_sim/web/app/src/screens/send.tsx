/**
 * The send form. In a group it is a lucky packet at first, and switching keeps what was typed: to an equal one, to one
 * for members who are named, to one that is opened by its words. To one user it is amount and greeting.
 */

import { money } from "@hongbao/sdk";
import { useEffect, useRef, useState } from "preact/hooks";
import { Next } from "../parts/icons.js";
import { Big, Field, Page } from "../parts/page.js";
import {
  type Draft, type DraftKind, faultOf, isComplete, type Limits, newDraft, sharesOf, shownFen, totalFen, turned, withAmount,
  withShares, withUsers,
} from "../state/draft.js";
import { paymentOf } from "../state/pay.js";
import type { Order } from "../state/orders.js";
import type { Session } from "../state/session.js";
import type { TextKey } from "../state/texts.js";
import { useTyped, useView } from "../view.js";

interface SendProps {
  streamId: bigint;
  amountFen?: number;
  shares?: number;
}

/** What can be chosen in a group; behind the first one stands the switch between lucky and equal. */
const CHOICES: readonly [name: TextKey, kinds: readonly DraftKind[]][] = [
  ["kind_group", ["lucky", "equal"]],
  ["kind_exclusive", ["exclusive"]],
  ["kind_password", ["password"]],
];
const AMOUNT_OF: Record<DraftKind, TextKey> = {
  lucky: "total", equal: "single", exclusive: "single", password: "total", personal: "amount",
};
const WORDS_BYTES = 60;

function limitsOf({ client }: Session, membersMax: number): Limits {
  return {
    shareMin: client.limit("share_fen_min", 1),
    shareMax: client.limit("share_fen_max", 20_000),
    totalMax: client.limit("total_fen_max", 2_000_000),
    sharesMax: Math.min(client.limit("shares_max", 500), membersMax),
  };
}

function faultText(session: Session, draft: Draft, sendAt: string, membersMax: number): string {
  const limits = limitsOf(session, membersMax);
  const fault = faultOf(draft, limits);
  if (fault === undefined) return sendAt && momentOf(sendAt) <= session.now() ? session.t("refused_bad_time") : "";
  const amounts = { share_min: limits.shareMin, share_max: limits.shareMax, total_max: limits.totalMax, shares_max: 0 };
  return session.t(`fault_${fault}`, { amount: session.amount(amounts[fault]), count: limits.sharesMax });
}

/** The moment that was chosen, by the clock of the phone; 0: at once. */
const momentOf = (sendAt: string) => (sendAt ? new Date(sendAt).getTime() : 0);

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

/** Which kind of packet a group gets. */
function Kinds({ draft, onTurn }: { draft: Draft; onTurn: (kind: DraftKind) => void }) {
  const { session } = useView();
  return (
    <div class="kinds" role="radiogroup" aria-label={session.t("kind")}>
      {CHOICES.map(([name, kinds]) => (
        <button key={name} type="button" role="radio" aria-checked={kinds.includes(draft.kind)}
          onClick={() => kinds.includes(draft.kind) || onTurn(kinds[0]!)}>
          {session.t(name)}
        </button>
      ))}
    </div>
  );
}

/** When it is posted. The field of the browser lies over the line: a tap shows its calendar. */
function When({ sendAt, onInput }: { sendAt: string; onInput: (sendAt: string) => void }) {
  const { session } = useView();
  const input = useRef<HTMLInputElement>(null);
  const show = () => {
    try {
      input.current?.showPicker?.();
    } catch {
      // a browser that shows it only by its own button
    }
  };
  return (
    <div class="field when">
      <span class="field-label">{session.t("send_when")}</span>
      <span class={sendAt ? "field-value" : "field-value faint"}>{sendAt ? session.when(momentOf(sendAt)) : session.t("at_once")}</span>
      <Next />
      <input ref={input} type="datetime-local" aria-label={session.t("send_when")} value={sendAt} onClick={show}
        onInput={(event) => onInput(event.currentTarget.value)} />
    </div>
  );
}

export function SendPage({ streamId, amountFen, shares }: SendProps) {
  const { session, nav } = useView();
  const isPersonal = session.model.conversations.get(streamId)?.isOneToOne ?? false;
  const amountOf = (one: Draft) => (shownFen(one) ? money.typed(session.unit, shownFen(one)) : "");
  const [{ draft, amount, greeting, sendAt }, type] = useTyped(() => {
    const draft = newDraft(isPersonal ? "personal" : "lucky", amountFen, shares);
    return { draft, amount: amountOf(draft), greeting: "", sendAt: "" };
  });
  const members = useMembers(streamId, !isPersonal);
  const { kind } = draft;

  const typeAmount = (text: string) => {
    const fen = money.parse(session.unit, text);
    if (text && fen === undefined) return; // the key is not taken
    type({ amount: text, draft: withAmount(draft, fen ?? 0) });
  };
  const count = (text: string) => /^\d{0,5}$/.test(text) && type({ draft: withShares(draft, Number(text)) });
  const show = (other: Draft) => type({ draft: other, amount: amountOf(other) });
  const turn = (to: DraftKind) => show(turned(draft, to));
  const choose = () =>
    nav.push({ at: "people", streamId, chosen: draft.forUserIds, onChosen: (userIds) => show(withUsers(draft, userIds)) });
  const fault = faultText(session, draft, sendAt, members ?? Infinity);
  const send = (event: Event) => {
    event.preventDefault();
    if (!isComplete(draft) || fault) return;
    const order: Order = {
      what: "packet", kind, targetId: streamId, amountFen: shownFen(draft), totalFen: totalFen(draft), shares: sharesOf(draft),
      text: greeting.trim(), sendAtMs: momentOf(sendAt), ...(kind === "exclusive" && { forUserIds: [...draft.forUserIds].sort((one, other) => one - other) }),
      ...(kind === "password" && { words: draft.words.trim() }),
    };
    const isLater = sendAt && { onPaid: () => session.say(session.t("sends_at", { when: session.when(momentOf(sendAt)) })) };
    nav.push({ at: "pay", payment: paymentOf(session, order), ...isLater });
  };
  const amountField = (
    <Field label={session.t(AMOUNT_OF[kind])} value={amount} onInput={typeAmount} mode="decimal" hint={money.typed(session.unit, 0)}
      unit={session.unit[session.language]} autoFocus={kind === "lucky" || kind === "personal"} />
  );
  const names = session.namesOf(draft.forUserIds);
  return (
    <Page title={session.t("send_packet")} kind="send">
      <p class={fault ? "fault shown" : "fault"} role="alert">{fault}</p>
      <form class="form" onSubmit={send}>
        {kind !== "personal" && <Kinds draft={draft} onTurn={turn} />}
        {kind === "exclusive" && (
          <button type="button" class="field leads" onClick={choose}>
            <span class="field-label">{session.t("for_whom")}</span>
            <span class={names ? "field-value" : "field-value faint"}>{names || session.t("choose_members")}</span>
            <Next />
          </button>
        )}
        {amountField}
        {(kind === "lucky" || kind === "equal") && (
          <p class="kind-line">
            {session.t(kind === "lucky" ? "is_lucky" : "is_equal")}
            <button type="button" class="link" onClick={() => turn(kind === "lucky" ? "equal" : "lucky")}>
              {session.t(kind === "lucky" ? "to_equal" : "to_lucky")}
            </button>
          </p>
        )}
        {kind !== "personal" && kind !== "exclusive" && (
          <>
            <Field label={session.t("shares")} value={draft.shares ? String(draft.shares) : ""} onInput={count} mode="numeric"
              hint={session.t("shares_hint")} unit={session.t("shares_unit")} />
            <p class="hint">{members !== undefined ? session.t("members_count", { count: members }) : " "}</p>
          </>
        )}
        {kind === "password" && (
          <Field label={session.t("words")} value={draft.words} onInput={(words) => type({ draft: { ...draft, words } })}
            maxBytes={WORDS_BYTES} />
        )}
        {kind === "password" && <p class="hint">{session.t("words_about")}</p>}
        <Field label={session.t("greeting")} value={greeting} onInput={(greeting) => type({ greeting })} hint={session.t("default_greeting")}
          maxBytes={session.client.limit("greeting_bytes_max", 128)} />
        <When sendAt={sendAt} onInput={(sendAt) => type({ sendAt })} />
        <Big fen={totalFen(draft)} />
        <button type="submit" class="red-button" disabled={!isComplete(draft) || fault !== ""}>{session.t("put_money")}</button>
      </form>
      <p class="page-foot">
        {session.t(sendAt ? "scheduled_hint" : "refund_hint")}
        {sendAt && <button type="button" class="link" onClick={() => nav.push({ at: "scheduled" })}>{session.t("scheduled")}</button>}
      </p>
    </Page>
  );
}
