/** What went wrong, in words for the user. */

import { ClientError, ConnectionRefusedForGood, type Language, MalformedMessage, Refusal, TimedOut } from "@hongbao/sdk";
import { clock } from "./times.js";
import { text, TEXTS, type TextKey } from "./texts.js";

const known = (key: string): key is TextKey => key in TEXTS;

/** Why something cannot be done, as the user reads it. An error that is none of the SDK's is a defect: it is thrown. */
export function inWords(error: unknown, language: Language): string {
  if (!(error instanceof ClientError)) throw error;
  if (error instanceof TimedOut) return text(language, "timed_out");
  if (error instanceof MalformedMessage) return text(language, "refused", { reason: error.message });
  if (!(error instanceof Refusal)) return text(language, "connection_lost");
  const key = `refused_${error.reason}`;
  if (!known(key)) return text(language, "refused", { reason: error.detail || error.reason });
  return text(language, key, { left: error.attemptsLeft, until: clock(error.lockedUntilMs) });
}

/** Why the connection has ended for good. */
export function endInWords(error: ClientError, language: Language): string {
  const reason = error instanceof ConnectionRefusedForGood ? error.reason : error.message;
  const key = `ended_${reason}`;
  return known(key) ? text(language, key) : text(language, "ended", { reason });
}
