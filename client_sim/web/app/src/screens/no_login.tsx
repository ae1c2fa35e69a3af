/** Shown without a login: how to get in. */

import type { Language } from "@hongbao/sdk";
import { Envelope } from "../parts/icons.js";
import { text, type TextKey } from "../state/texts.js";

export function NoLogin({ language, why }: { language: Language; why: TextKey }) {
  return (
    <main class="no-login">
      <Envelope size={96} />
      <h1>{text(language, "app")}</h1>
      <p role="status">{text(language, why)}</p>
    </main>
  );
}
