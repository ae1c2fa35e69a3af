/** Who the user is: a token in the fragment of the link, an invite that is exchanged for one, or the one of last time. */

import type { Language } from "@hongbao/sdk";

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
  history.replaceState(null, "", location.pathname); // a token does not stay in the history
  const language: Language = (asked.get("lang") ?? spoken() ?? navigator.language).startsWith("zh") ? "zh" : "en";
  keepLanguage(language);
  const group = asked.get("group");
  const about = { language, streamId: group && /^\d+$/.test(group) ? BigInt(group) : undefined };
  const token = asked.get("token");
  const invite = asked.get("invite");
  if (token !== null) return { ...about, token: kept({ token }), why: "no_login" };
  const stored = storedLogin();
  if (invite === null || invite === stored?.invite) return { ...about, token: stored?.token, why: "no_login" };
  const made = await exchanged(invite);
  return made === "bad_invite" || made === "connection_lost"
    ? { ...about, why: made }
    : { ...about, token: kept({ token: made, invite }), why: "no_login" };
}

/** The language of the next start. */
export function keepLanguage(language: Language): void {
  try {
    localStorage.setItem(LANGUAGE, language);
  } catch {
    // a private window: the next start asks the browser
  }
}

function spoken(): string | null {
  try {
    return localStorage.getItem(LANGUAGE);
  } catch {
    return null;
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
  try {
    localStorage.setItem(STORED_AS, JSON.stringify(login));
  } catch {
    // a private window: the link is needed again next time
  }
  return login.token;
}

function storedLogin(): Stored | undefined {
  try {
    return (JSON.parse(localStorage.getItem(STORED_AS) ?? "null") as Stored | null) ?? undefined;
  } catch {
    return undefined;
  }
}
