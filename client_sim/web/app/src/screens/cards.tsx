/** My bank cards: bind another one, remove one. */

import type { CardLine } from "@hongbao/sdk";
import { useState } from "preact/hooks";
import { Digits } from "../parts/digits.js";
import { Page } from "../parts/page.js";
import { useBusy, useLoad, useView } from "../view.js";

function BankCard({ card }: { card: CardLine }) {
  const { session } = useView();
  const [asks, setAsks] = useState(false);
  const [password, setPassword] = useState("");
  const [isBusy, run] = useBusy();
  const unbind = (given: string) =>
    run(async () => {
      try {
        await session.client.cards.unbind(card.card_id, given);
      } finally {
        setPassword("");
      }
      session.say(session.t("unbound"));
      await session.learnPayer(true);
    });
  return (
    <li class={`bank-card hue-${Number(card.card_id % 12n)}`}>
      <span class="bank-name">{card.bank || session.t("any_bank")}</span>
      <span class="bank-holder">{card.holder}</span>
      <span class="bank-number">•••• •••• •••• {card.last4}</span>
      {asks ? (
        <form onSubmit={(event) => event.preventDefault()}>
          <Digits label={session.t("present_password")} value={password} onInput={setPassword} onFull={unbind} isDisabled={isBusy} autoFocus />
        </form>
      ) : (
        <button type="button" class="bank-remove" onClick={() => setAsks(true)}>{session.t("unbind")}</button>
      )}
    </li>
  );
}

export function CardsPage() {
  const { session, nav } = useView();
  useLoad(() => session.learnPayer(true));
  const cards = session.payer?.cards ?? [];
  return (
    <Page title={session.t("cards")}>
      <ul class="bank-cards">{cards.map((card) => <BankCard key={String(card.card_id)} card={card} />)}</ul>
      {session.payer !== undefined && !cards.length && (
        <p class="empty">{session.t(session.payer.takesCards ? "no_cards" : "no_cards_here")}</p>
      )}
      {session.payer?.takesCards && (
        <button type="button" class="plain-button" onClick={() => nav.push({ at: "bind" })}>{session.t("bind")}</button>
      )}
    </Page>
  );
}
