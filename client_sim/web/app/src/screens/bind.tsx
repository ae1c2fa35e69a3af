/** Bind a card: its number, then holder and phone, then the code of the SMS and the pay password. From a payment it pays. */

import { type CardOffered, isRefused, type Language } from "@hongbao/sdk";
import { useState } from "preact/hooks";
import { CodeForm } from "../parts/code_form.js";
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

/** What a server with a test bank tells, "zh | en | numbers": which card it takes, each user another one, and where its
 * SMS are read. */
function hintOfServer(language: Language, userId: number): string | undefined {
  const hint = document.querySelector<HTMLMetaElement>('meta[name="hongbao-card-hint"]')?.content;
  const [zh, en, cards = ""] = hint?.split(" | ") ?? [];
  const numbers = cards.split(" ");
  return (language === "zh" ? zh : en)?.replace("{card}", numbers[userId % numbers.length]!);
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
  const confirm = async (code: string, password: string) => {
    try {
      const card = await cards.confirm(offer!.challenge_id, code, password);
      session.say(session.t("bound", { bank: card.bank || session.t("any_bank"), last4: card.last4 }));
      await session.quietly(() => session.learnPayer(true));
      close();
      onBound?.(card.card_id, password);
    } catch (error) {
      if (isRefused(error, "code_spent")) {
        setOffer(undefined);
        setStep("holder");
      }
      throw error;
    }
  };
  return (
    <Page title={session.t("bind")} kind="bind">
      {payment !== undefined && <Big fen={payment.order.totalFen} kind="bind-pays" />}
      <p class="about">{hintOfServer(session.language, session.model.userId)}</p>
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
        <CodeForm phone={offer.phone} isNew={offer.sets_password} button={session.t(payment === undefined ? "bind_now" : "bind_and_pay")}
          onDone={confirm} onAgain={() => cards.sendCodeAgain(offer.challenge_id)} />
      )}
    </Page>
  );
}
