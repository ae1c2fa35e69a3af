/** The code of an SMS, and with it a pay password: a new one, which is typed twice, or the present one. */

import { isRefused } from "@hongbao/sdk";
import { useState } from "preact/hooks";
import { useBusy, useView } from "../view.js";
import { Digits } from "./digits.js";

interface CodeFormProps {
  /** Where the code was sent to, as the server tells it. */
  phone: string;
  isNew: boolean;
  button: string;
  /** Rejects with a ClientError. */
  onDone: (code: string, password: string) => Promise<unknown>;
  onAgain: () => Promise<unknown>;
}

export function CodeForm({ phone, isNew, button, onDone, onAgain }: CodeFormProps) {
  const { session } = useView();
  const [code, setCode] = useState("");
  const [password, setPassword] = useState("");
  const [again, setAgain] = useState("");
  const [isBusy, run] = useBusy();
  const isComplete = code.length === 6 && password.length === 6 && (!isNew || again.length === 6);
  const done = (event: Event) => {
    event.preventDefault();
    run(async () => {
      if (isNew && password !== again) {
        session.say(session.t("passwords_differ"));
        setAgain("");
        return;
      }
      try {
        await onDone(code, password);
      } catch (error) {
        if (isRefused(error, "code_wrong")) setCode("");
        if (isRefused(error, "password_wrong")) setPassword("");
        throw error;
      }
    });
  };
  return (
    <form class="form" onSubmit={done}>
      <p class="about">{session.t("sms_sent", { phone })}</p>
      <Digits label={session.t("sms_code")} value={code} onInput={setCode} isSecret={false} autoFocus />
      <button type="button" class="link centred" disabled={isBusy} onClick={() => run(onAgain)}>{session.t("sms_again")}</button>
      <Digits label={session.t(isNew ? "new_password" : "present_password")} value={password} onInput={setPassword} />
      {isNew && <p class="about">{session.t("password_about")}</p>}
      {isNew && <Digits label={session.t("repeat_password")} value={again} onInput={setAgain} />}
      <button type="submit" class="green-button" disabled={isBusy || !isComplete}>{button}</button>
    </form>
  );
}
