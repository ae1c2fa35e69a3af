/** Starts the app: who the user is, then the chat. */

import "./style/base.css";
import "./style/chat.css";
import "./style/packet.css";
import "./style/money.css";
import { render } from "preact";
import { App } from "./app.js";
import { enter } from "./enter.js";
import { Nav } from "./state/nav.js";
import { Session } from "./state/session.js";
import { keep, kept } from "./state/snapshot.js";
import { Token } from "@hongbao/sdk";
import { NoLogin } from "./screens/no_login.js";
import { ViewContext } from "./view.js";
import { keepPage } from "./worker.js";

const KEEP_EVERY_MS = 10_000;

async function start(): Promise<void> {
  // another link in the address bar of this page: the browser loads nothing by itself
  addEventListener("hashchange", () => location.hash.length > 1 && location.reload());
  const root = document.getElementById("app")!;
  const url = document.querySelector<HTMLMetaElement>('meta[name="hongbao-websocket"]')!.content;
  const { token, language, streamId, why } = await enter();
  document.documentElement.lang = language;
  root.textContent = "";
  if (token === undefined) {
    render(<NoLogin language={language} why={why} />, root);
    return;
  }
  const session = new Session(url, token, language, kept(Token.parse(token).userId));
  const nav = new Nav(() => session.changed());
  render(
    <ViewContext.Provider value={{ session, nav }}>
      <App />
    </ViewContext.Provider>,
    root,
  );
  if (streamId !== undefined) nav.push({ at: "chat", streamId });
  session.start();
  const save = () => {
    nav.keep();
    keep(session.snapshot());
  };
  setInterval(save, KEEP_EVERY_MS);
  addEventListener("pagehide", save);
  document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && save());
}

void start();
keepPage();
