/** Bind a card: its number, then holder and phone, then the code of the SMS and the pay password. From a payment it pays. */

import { type CardOffered, isRefused, type Language } from "@hongbao/sdk";
import { useState } from "preact/hooks";
import { Digits } from "../parts/digits.js";
import { Big, Field, Page } from "../parts/page.js";
import type { Payment } from "../state/orders.js";
import { useBusy, useClose, useView } from "../view.js";

interface BindProps {
  payment?: Payment;
  onBound?: (cardId: bigint, password: string) => void;
}

/** Whether the digits can be those of a card: 12 to 19 with a right check digit. */
export function isCardNumber(text: string): boolean {
  const digits = text.replace(/[ -]/g, "");
  if (!/^\d{12,19}$/.test(digits)) return false;
  const sum = [...digits].reverse().reduce((total, digit, at) => {
    const twice = Number(digit) * (at % 2 ? 2 : 1);
    return total + (twice > 9 ? twice - 9 : twice);
  }, 0);
  return sum % 10 === 0;
}

/** What a server with a simulated bank tells: which card it takes, and where its SMS are read. "zh | en" in the page. */
function hintOfServer(language: Language): string | undefined {
  const hint = document.querySelector<HTMLMetaElement>('meta[name="hongbao-card-hint"]')?.content;
  return hint?.split(" | ")[language === "zh" ? 0 : 1];
}

const grouped = (text: string) => text.replace(/\D/g, "").slice(0, 19).replace(/(\d{4})(?=\d)/g, "$1 ");

export function BindPage({ payment, onBound }: BindProps) {
  const { session } = useView();
  const close = useClose();
  const { cards } = session.client;
  const [step, setStep] = useState<"number" | "holder" | "code">("number");
  const [number, setNumber] = useState("");
  const [holder, setHolder] = useState("");
  const [phone, setPhone] = useState("");
  const [offer, setOffer] = useState<CardOffered>();
  const [isBusy, run] = useBusy();

  const next = (event: Event) => {
    event.preventDefault();
    if (step === "number") {
      if (isCardNumber(number)) setStep("holder");
      else session.say(session.t("bad_number"));
    } else {
      run(async () => {
        setOffer(await cards.bind(number, holder.trim(), phone.trim()));
        setStep("code");
      });
    }
  };
  return (
    <Page title={session.t("bind")} kind="bind">
      {payment !== undefined && <Big fen={payment.order.totalFen} kind="bind-pays" />}
      <p class="about hint-of-server">{hintOfServer(session.language)}</p>
      {step !== "code" && (
        <form class="form" onSubmit={next}>
          <Field label={session.t("card_number")} value={number} onInput={(text) => setNumber(grouped(text))} mode="numeric" autoFocus />
          {step === "holder" && (
            <>
              <Field label={session.t("card_holder")} value={holder} onInput={setHolder} maxLength={64} autoFocus />
              <Field label={session.t("card_phone")} value={phone} onInput={setPhone} mode="tel" maxLength={20} />
            </>
          )}
          <button type="submit" class="green-button" disabled={isBusy || !number || (step === "holder" && !(holder.trim() && phone.trim()))}>
            {session.t("next")}
          </button>
        </form>
      )}
      {step === "code" && offer !== undefined && (
        <Confirming offer={offer} isPaying={payment !== undefined} onBound={onBound}
          onSpent={() => (setOffer(undefined), setStep("holder"))} onDone={close} />
      )}
    </Page>
  );
}

interface ConfirmingProps {
  offer: CardOffered;
  isPaying: boolean;
  onBound: BindProps["onBound"];
  onSpent: () => void;
  onDone: () => void;
}

function Confirming({ offer, isPaying, onBound, onSpent, onDone }: ConfirmingProps) {
  const { session } = useView();
  const { cards } = session.client;
  const [code, setCode] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [isBusy, run] = useBusy();
  const isNew = offer.sets_password;
  const isComplete = code.length === 6 && password.length === 6 && (!isNew || again.length === 6);
  const confirm = (event: Event) => {
    event.preventDefault();
    run(async () => {
      if (isNew && password !== again) {
        session.say(session.t("passwords_differ"));
        setAgain("");
        return;
      }
      try {
        const card = await cards.confirm(offer.challenge_id, code, password);
        session.say(session.t("bound", { bank: card.bank || session.t("any_bank"), last4: card.last4 }));
        await session.quietly(() => session.learnPayer(true));
        onDone();
        onBound?.(card.card_id, password);
      } catch (error) {
        if (isRefused(error, "code_wrong")) setCode("");
        if (isRefused(error, "password_wrong")) setPassword("");
        if (isRefused(error, "code_spent")) onSpent();
        throw error;
      }
    });
  };
  return (
    <form class="form" onSubmit={confirm}>
      <p class="about">{session.t("sms_sent", { phone: offer.phone })}</p>
      <Digits label={session.t("sms_code")} value={code} onInput={setCode} isSecret={false} autoFocus />
      <button type="button" class="link centred" disabled={isBusy} onClick={() => run(() => cards.sendCodeAgain(offer.challenge_id))}>
        {session.t("sms_again")}
      </button>
      <Digits label={session.t(isNew ? "new_password" : "present_password")} value={password} onInput={setPassword} />
      {isNew && <p class="about">{session.t("password_about")}</p>}
      {isNew && <Digits label={session.t("repeat_password")} value={again} onInput={setAgain} />}
      <button type="submit" class="green-button" disabled={isBusy || !isComplete}>
        {session.t(isPaying ? "bind_and_pay" : "bind_now")}
      </button>
    </form>
  );
}
