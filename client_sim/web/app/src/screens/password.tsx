/** A forgotten pay password: a code by SMS to the phone of a card, then a new one. */

import type { ResetCodeSent } from "@hongbao/sdk";
import { useEffect, useState } from "preact/hooks";
import { Digits } from "../parts/digits.js";
import { Page, Row } from "../parts/page.js";
import { useBusy, useClose, useView } from "../view.js";

export function PasswordPage() {
  const { session } = useView();
  const close = useClose();
  const { cards } = session.client;
  const [sent, setSent] = useState<ResetCodeSent>();
  const [code, setCode] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [isBusy, run] = useBusy();
  useEffect(() => void session.quietly(() => session.learnPayer()), []);
  const reset = (event: Event) => {
    event.preventDefault();
    run(async () => {
      if (password !== again) {
        session.say(session.t("passwords_differ"));
        return;
      }
      await cards.resetPassword(sent!.challenge_id, code, password);
      session.say(session.t("password_set"));
      close();
    });
  };
  return (
    <Page title={session.t("present_password")}>
      {sent === undefined ? (
        <div class="list" aria-busy={isBusy}>
          {session.payer?.cards.map((card) => (
            <Row key={String(card.card_id)} label={session.t("by_card", { bank: card.bank || session.t("any_bank"), last4: card.last4 })}
              value={card.phone} onClick={() => run(async () => setSent(await cards.askPasswordReset(card.card_id)))} />
          ))}
        </div>
      ) : (
        <form class="form" onSubmit={reset}>
          <p class="about">{session.t("sms_sent", { phone: sent.phone })}</p>
          <Digits label={session.t("sms_code")} value={code} onInput={setCode} isSecret={false} autoFocus />
          <Digits label={session.t("new_password")} value={password} onInput={setPassword} />
          <Digits label={session.t("repeat_password")} value={again} onInput={setAgain} />
          <button type="submit" class="green-button" disabled={isBusy || [code, password, again].some((one) => one.length < 6)}>
            {session.t("save")}
          </button>
        </form>
      )}
    </Page>
  );
}
