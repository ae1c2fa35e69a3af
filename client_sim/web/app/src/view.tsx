/** What every screen has at hand: the session, the pages, and a redraw when the session changes. */

import { createContext } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import type { Nav } from "./state/nav.js";
import type { Session } from "./state/session.js";

export interface View {
  session: Session;
  nav: Nav;
}

export const ViewContext = createContext<View>(undefined as unknown as View);

/** The view; the component is drawn again whenever the session has changed. */
export function useView(): View {
  const view = useContext(ViewContext);
  const [, draw] = useState(0);
  useEffect(() => view.session.onChange(() => draw((count) => count + 1)), [view]);
  return view;
}

/** Do this while the component is on the screen, and what it returns at the end; the newest `what` is called. */
export function useWhileShown(what: () => () => void): void {
  useEffect(() => what(), []);
}

/** Something that the user asks for: one at a time. */
export function useBusy(): [isBusy: boolean, run: (what: () => Promise<unknown>) => void] {
  const { session } = useContext(ViewContext);
  const [isBusy, setBusy] = useState(false);
  const isRunning = useRef(false);
  const run = (what: () => Promise<unknown>) => {
    if (isRunning.current) return;
    isRunning.current = true;
    setBusy(true);
    void session.attempt(what).finally(() => {
      isRunning.current = false;
      setBusy(false);
    });
  };
  return [isBusy, run];
}
