/** What every screen has at hand: the session, the pages, and a redraw when the session changes. */

import { createContext } from "preact";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import type { KeptPlace, Nav, Place } from "./state/nav.js";
import type { Session } from "./state/session.js";

export interface View {
  session: Session;
  nav: Nav;
}

export const ViewContext = createContext<View>(undefined as unknown as View);

/** The page that a component is on. */
export const PlaceContext = createContext<Place>(undefined as unknown as Place);

/** Close the page of this component and so many below it, unless the user has left it meanwhile. */
export function useClose(): (below?: number) => void {
  const { nav } = useContext(ViewContext);
  const place = useContext(PlaceContext);
  return (below) => nav.close(place, below);
}

/** What is typed on this page: it is there again after a reload. One for each page. */
export function useTyped<Typed>(first: () => Typed): [typed: Typed, type: (change: Partial<Typed>) => void] {
  const place = useContext(PlaceContext) as KeptPlace;
  const [, draw] = useState(0);
  const typed = (place.typed ??= first()) as Typed;
  const type = (change: Partial<Typed>) => {
    place.typed = { ...(place.typed as Typed), ...change };
    draw((count) => count + 1);
  };
  return [typed, type];
}

/** Load what a page shows; once more when there is a connection again, if it could not be had. */
export function useLoad(load: () => Promise<unknown>, changes: unknown[] = []): void {
  const { session } = useContext(ViewContext);
  useEffect(() => {
    let isNeeded = true;
    const run = async () => {
      if (!isNeeded) return;
      isNeeded = false;
      isNeeded = !(await session.attempt(load));
    };
    void run();
    return session.client.on("online", () => void run());
  }, changes);
}

/** The view; the component is drawn again whenever the session has changed. */
export function useView(): View {
  const view = useContext(ViewContext);
  const [, draw] = useState(0);
  useEffect(() => view.session.onChange(() => draw((count) => count + 1)), [view]);
  return view;
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
