/** A forgotten pay password: a code by SMS to the phone of a card, then a new one. */

import type { ResetCodeSent } from "@hongbao/sdk";
import { useEffect, useState } from "preact/hooks";
import { CodeForm } from "../parts/code_form.js";
import { Page, Row } from "../parts/page.js";
import { useBusy, useClose, useView } from "../view.js";

export function PasswordPage() {
  const { session } = useView();
  const close = useClose();
  const { cards } = session.client;
  const [sent, setSent] = useState<ResetCodeSent>();
  const [cardId, setCardId] = useState(0n);
  const [isBusy, run] = useBusy();
  useEffect(() => void session.quietly(() => session.learnPayer()), []);
  const ask = async (id: bigint) => {
    setCardId(id);
    setSent(await cards.askPasswordReset(id));
  };
  const reset = async (code: string, password: string) => {
    await cards.resetPassword(sent!.challenge_id, code, password);
    session.say(session.t("password_set"));
    close();
  };
  return (
    <Page title={session.t("present_password")}>
      {sent === undefined ? (
        <>
          <p class="about">{session.t("reset_about")}</p>
          <div class="list" aria-busy={isBusy}>
            {session.payer?.cards.map((card) => (
              <Row key={String(card.card_id)} label={session.t("by_card", { bank: card.bank || session.t("any_bank"), last4: card.last4 })}
                value={card.phone} onClick={() => run(() => ask(card.card_id))} />
            ))}
          </div>
        </>
      ) : (
        <CodeForm phone={sent.phone} isNew button={session.t("done")} onDone={reset} onAgain={() => ask(cardId)} />
      )}
    </Page>
  );
}
