/** Who the user is: a token in the fragment of the link, an invite that is exchanged for one, or the one of last time. */

import { type Language, Token } from "@hongbao/sdk";
import { storage } from "./state/snapshot.js";

const STORED_AS = "hongbao.login";
const LANGUAGE = "hongbao.language";

interface Stored {
  token: string;
  /** By which invite it came: a phone that opens the link again takes no other seat. */
  invite?: string | undefined;
}

export interface Entered {
  token?: string | undefined;
  language: Language;
  /** The chat to begin with. */
  streamId?: bigint | undefined;
  /** Why there is no token. */
  why: "no_login" | "bad_invite" | "connection_lost";
}

export async function enter(): Promise<Entered> {
  const asked = new URLSearchParams(location.hash.slice(1));
  history.replaceState(history.state, "", location.pathname); // a token does not stay in the history
  const language: Language = (asked.get("lang") ?? spoken() ?? navigator.language).startsWith("zh") ? "zh" : "en";
  keepLanguage(language);
  const group = asked.get("group");
  const about = { language, streamId: group && /^\d+$/.test(group) ? BigInt(group) : undefined };
  const token = asked.get("token");
  const invite = asked.get("invite");
  if (token !== null) return { ...about, token: isToken(token) ? kept({ token }) : undefined, why: "no_login" };
  const stored = storedLogin();
  if (invite === null || invite === stored?.invite) return { ...about, token: stored?.token, why: "no_login" };
  const made = await exchanged(invite);
  return made === "bad_invite" || made === "connection_lost"
    ? { ...about, why: made }
    : { ...about, token: kept({ token: made, invite }), why: "no_login" };
}

/** The language of the next start. */
export const keepLanguage = (language: Language) => keepText(LANGUAGE, language);

const spoken = () => storage()?.getItem(LANGUAGE) ?? null;

/** Keep a text; without room, as in a private window, the next start does without. */
function keepText(name: string, value: string): void {
  try {
    storage()?.setItem(name, value);
  } catch {
    // no room
  }
}

/** Whether the text is a whole token: messengers cut links. */
function isToken(text: string): boolean {
  try {
    return Token.parse(text).userId > 0;
  } catch {
    return false;
  }
}

/** The token for an invite, or why there is none. */
async function exchanged(invite: string): Promise<string> {
  try {
    const reply = await fetch("enter", { method: "POST", body: JSON.stringify({ invite }), credentials: "omit" });
    const found = (await reply.json()) as { token?: string };
    return found.token ?? (reply.status < 500 ? "bad_invite" : "connection_lost");
  } catch {
    return "connection_lost";
  }
}

function kept(login: Stored): string {
  keepText(STORED_AS, JSON.stringify(login));
  return login.token;
}

function storedLogin(): Stored | undefined {
  try {
    const found = JSON.parse(storage()?.getItem(STORED_AS) ?? "null") as Stored | null;
    return found !== null && isToken(found.token) ? found : undefined;
  } catch {
    return undefined;
  }
}
