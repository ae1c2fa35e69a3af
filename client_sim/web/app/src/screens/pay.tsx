/** The pay sheet: what is paid, the ways to pay it, the pay password; from here a card is bound that pays. */

import { isRefused } from "@hongbao/sdk";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { Digits } from "../parts/digits.js";
import { Next, Tick } from "../parts/icons.js";
import { Big, Sheet } from "../parts/page.js";
import { firstWay, type Order, type Payment, waysOf, type Way } from "../state/orders.js";
import { pay } from "../state/pay.js";
import type { Session } from "../state/session.js";
import { PlaceContext, useClose, useTyped, useView } from "../view.js";

export function wayText(session: Session, way: Way): string {
  const { card } = way;
  if (card !== undefined) return session.t("by_card", { bank: card.bank || session.t("any_bank"), last4: card.last4 });
  if (way.name === "new") return session.t("new_card");
  const amount = session.amount(session.model.balanceFen);
  return session.t(way.isShort ? "wallet_short" : "by_wallet", { amount });
}

function titleOf(session: Session, order: Order): string {
  return session.t(`pay_${order.what}`, { name: session.model.nameOf(Number(order.targetId)) });
}

/** The ways to pay, as choices. */
function Ways({ title, ways, chosen, onChoose, onNew }: {
  title: string; ways: Way[]; chosen: number; onChoose: (at: number) => void; onNew: () => void;
}) {
  const { session } = useView();
  return (
    <fieldset class="ways">
      <legend>{title}</legend>
      {ways.map((way, at) => way.name !== "new" ? (
        <label key={at} class="way">
          <input type="radio" name="way" checked={at === chosen} onChange={() => onChoose(at)} />
          <span>{wayText(session, way)}</span>
          {at === chosen && <Tick />}
        </label>
      ) : at !== chosen && ( // as the way that is chosen it is the large button below
        <button key={at} type="button" class="way leads" onClick={onNew}>
          <span>{wayText(session, way)}</span>
          <Next />
        </button>
      ))}
    </fieldset>
  );
}

export function PaySheet({ payment, onPaid }: { payment: Payment; onPaid?: () => void }) {
  const { session, nav } = useView();
  const { order } = payment;
  const [chosenAt, setChosen] = useState<number>();
  const [{ cardId: begunWith }, type] = useTyped<{ cardId?: bigint | undefined }>(() => ({})); // of a payment whose outcome is not told
  const [password, setPassword] = useState("");
  const [line, setLine] = useState("");
  const [isPaying, setPaying] = useState(false);
  const needsNoDigits = isPaying && !password; // they were typed on the page of a new card, or before a reload
  const isRunning = useRef(false);
  const place = useContext(PlaceContext);
  const close = useClose();
  useEffect(() => {
    session.learnPayer(true).catch((error: unknown) => setLine(session.why(error)));
    if (begunWith !== undefined) void run(begunWith, ""); // before the app was loaded again: asked for with the same key
  }, []);
  const ways = session.payer === undefined ? [] : waysOf(order, session.payer, session.model.balanceFen);
  const chosen = Math.min(chosenAt ?? firstWay(ways), ways.length - 1);
  const way = ways[chosen];

  const run = async (cardId: bigint, given: string) => {
    if (isRunning.current) return;
    isRunning.current = true;
    setPaying(true);
    type({ cardId });
    setLine(session.t("paying"));
    try {
      await pay(session, payment, cardId, given, () => setLine(session.t("pay_unknown")));
      close(1); // with the form below
      onPaid?.();
    } catch (error) {
      type({ cardId: undefined });
      if (nav.stack.includes(place)) setLine(session.why(error));
      else session.say(session.why(error)); // the sheet was closed meanwhile
      setPassword("");
      if (isRefused(error, "not_enough_money")) await session.quietly(() => session.refreshWallet());
      if (isRefused(error, "password_needed", "bad_card")) await session.quietly(() => session.learnPayer(true));
    } finally {
      isRunning.current = false;
      setPaying(false);
    }
  };
  const bind = () => nav.push({ at: "bind", payment, onBound: (cardId, given) => void run(cardId, given) });

  return (
    <Sheet title={titleOf(session, order)} kind="bottom pay">
      <Big fen={order.totalFen} kind="pay-amount" />
      {session.payer !== undefined && !ways.length && <p class="pay-line" role="alert">{session.t("no_cards_here")}</p>}
      {ways.length > 0 && <Ways title={session.t(order.what === "withdraw" ? "to_card" : "pay_way")} ways={ways} chosen={chosen} onChoose={(at) => (setChosen(at), setLine(""))} onNew={bind} />}
      <p class={isPaying ? "pay-line" : "pay-line danger"} role="status">{line}</p>
      {way?.name === "new" && <button type="button" class="red-button" onClick={bind}>{session.t("new_card")}</button>}
      {way !== undefined && way.name !== "new" && !way.needsPassword && (
        <button type="button" class="green-button" disabled={isPaying || way.isShort} onClick={() => void run(0n, "")}>
          {session.t("pay_with_wallet")}
        </button>
      )}
      {way?.needsPassword && !needsNoDigits && (
        <form onSubmit={(event) => event.preventDefault()}>
          <Digits label={session.t("pay_password")} value={password} onInput={setPassword} isDisabled={isPaying || way.isShort} autoFocus
            onFull={(full) => void run(way.card?.card_id ?? 0n, full)} />
          <button type="button" class="link centred" onClick={() => (setLine(""), nav.push({ at: "password" }))}>{session.t("forgot_password")}</button>
        </form>
      )}
    </Sheet>
  );
}
