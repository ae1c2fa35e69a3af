/** The frame: the list of chats, and the pages over it; on a wide screen beside it. */

import { useEffect, useRef } from "preact/hooks";
import { type Place, SHEETS } from "./state/nav.js";
import { AgainSheet } from "./screens/again.js";
import { BindPage } from "./screens/bind.js";
import { CardsPage } from "./screens/cards.js";
import { ChatPage } from "./screens/chat.js";
import { Chats } from "./screens/chats.js";
import { MePage } from "./screens/me.js";
import { MembersPage } from "./screens/members.js";
import { MoneyPage } from "./screens/money.js";
import { OpenSheet } from "./screens/open.js";
import { PasswordPage } from "./screens/password.js";
import { PassSheet } from "./screens/pass.js";
import { PaySheet } from "./screens/pay.js";
import { PeoplePage } from "./screens/people.js";
import { ProofPage } from "./screens/proof.js";
import { RecordsPage } from "./screens/records.js";
import { ResultPage } from "./screens/result.js";
import { ScheduledPage } from "./screens/scheduled.js";
import { SendPage } from "./screens/send.js";
import { ShakePage } from "./screens/shake.js";
import { StatementPage } from "./screens/statement.js";
import { WalletPage } from "./screens/wallet.js";
import { PlaceContext, useView } from "./view.js";

type Drawers = { [At in Place["at"]]: (place: Extract<Place, { at: At }>) => preact.JSX.Element };

const DRAWERS: Drawers = {
  chat: (place) => <ChatPage key={String(place.streamId)} {...place} />,
  send: (place) => <SendPage {...place} />,
  people: (place) => <PeoplePage {...place} />,
  scheduled: () => <ScheduledPage />,
  pay: (place) => <PaySheet {...place} />,
  bind: (place) => <BindPage {...place} />,
  password: () => <PasswordPage />,
  open: (place) => <OpenSheet {...place} />,
  result: (place) => <ResultPage {...place} />,
  pass: (place) => <PassSheet {...place} />,
  again: (place) => <AgainSheet {...place} />,
  proof: (place) => <ProofPage {...place} />,
  wallet: () => <WalletPage />,
  records: () => <RecordsPage />,
  statement: () => <StatementPage />,
  cards: () => <CardsPage />,
  money: (place) => <MoneyPage {...place} />,
  shake: (place) => <ShakePage {...place} />,
  members: (place) => <MembersPage {...place} />,
  me: () => <MePage />,
};

export function App() {
  const { session, nav } = useView();
  const { stack } = nav;
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !event.isComposing) nav.back();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [nav]);
  const depth = useRef(0);
  useEffect(() => {
    if (stack.length > depth.current && session.toast) session.say(""); // it was about the page below
    depth.current = stack.length;
  }, [stack.length]);
  const lastPage = stack.findLastIndex((place) => !SHEETS.has(place.at)); // what lies below it is not seen
  return (
    <div class={stack.length ? "frame has-page" : "frame"} lang={session.language}>
      <main class="home" inert={stack.some((place) => SHEETS.has(place.at))}>
        <Chats />
      </main>
      <div class="pages">
        {!stack.length && <p class="nothing-open">{session.t("pick_chat")}</p>}
        {stack.map((place, at) => (
          <div key={at} class={at < lastPage ? "layer below" : "layer"} inert={at < stack.length - 1}>
            <PlaceContext.Provider value={place}>
              {(DRAWERS[place.at] as (place: Place) => preact.JSX.Element)(place)}
            </PlaceContext.Provider>
          </div>
        ))}
      </div>
      <p class={session.toast ? "toast shown" : "toast"} role="status">{session.toast}</p>
    </div>
  );
}
