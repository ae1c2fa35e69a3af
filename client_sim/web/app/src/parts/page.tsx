/** Pages and what stands on many of them. */

import { money } from "@hongbao/sdk";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { useView } from "../view.js";
import { Back, Close, Next } from "./icons.js";

interface PageProps {
  title: string;
  children: ComponentChildren;
  /** At the right of the bar. */
  action?: ComponentChildren;
  kind?: string;
  foot?: ComponentChildren;
  /** It scrolls, and has nothing to press: keys reach it all the same. */
  isText?: boolean;
}

/** The focus goes there, unless it is inside already: a field of the same page has taken it. */
function useFocus(inside?: "section") {
  const box = useRef<HTMLElement>(null);
  useEffect(() => {
    const element = box.current!;
    if (!(inside ? element.closest(inside)! : element).contains(document.activeElement)) element.focus({ preventScroll: true });
  }, []);
  return box as preact.RefObject<any>;
}

/** That there is no network, on every page. */
export function Offline() {
  const { session } = useView();
  return session.status === "offline" ? <p class="offline" role="status">{session.t("offline")}</p> : null;
}

/** A page with a bar; the focus goes to its first field, or to its title, which a screen reader then says. */
export function Page({ title, children, action, kind = "", foot, isText }: PageProps) {
  const { session, nav } = useView();
  const heading = useFocus("section");
  return (
    <section class={`page ${kind}`} aria-label={title}>
      <header class="bar">
        <button type="button" class="bar-button" aria-label={session.t("back")} onClick={() => nav.back()}>
          <Back />
        </button>
        <h1 tabIndex={-1} ref={heading}>{title}</h1>
        <div class="bar-action">{action}</div>
      </header>
      <Offline />
      <div class="page-body" {...(isText && { tabIndex: 0 })}>{children}</div>
      {foot}
    </section>
  );
}

interface SheetProps {
  title: string;
  children: ComponentChildren;
  kind?: string;
  hasTitle?: boolean;
}

/** A dialog over the page below. Escape and a tap beside it close it. */
export function Sheet({ title, children, kind = "", hasTitle = true }: SheetProps) {
  const { session, nav } = useView();
  const box = useFocus();
  return (
    <div class={`veil ${kind}`} onClick={(event) => event.target === event.currentTarget && nav.back()}>
      <div class="sheet" role="dialog" aria-modal="true" aria-label={title} tabIndex={-1} ref={box}>
        <button type="button" class="sheet-close" aria-label={session.t("close")} onClick={() => nav.back()}>
          <Close />
        </button>
        {hasTitle && <h2>{title}</h2>}
        {children}
      </div>
    </div>
  );
}

/** An amount as the largest thing on its page. */
export function Big({ fen, kind = "big-amount" }: { fen: number; kind?: string }) {
  const { session } = useView();
  return <p class={kind} aria-live="polite"><small>{session.unit.symbol}</small>{money.number(session.unit, fen)}</p>;
}

const HUES = 12;

/** A square with the first letter of a name, in a colour of the user's. */
export function Avatar({ id, name, size = 40 }: { id: number | bigint; name: string; size?: number }) {
  const first = [...(name.trim() || "?")][0]!.toUpperCase();
  return (
    <span class={`avatar hue-${Number(BigInt(id) % BigInt(HUES))}`} style={{ width: size, height: size, fontSize: size * 0.45 }}
      aria-hidden="true">
      {first}
    </span>
  );
}

/** Where a list will be, if it takes its time. */
export const Ghosts = () => <ul class="ghosts late" aria-hidden="true"><li /><li /><li /><li /></ul>;

interface RowProps {
  label: ComponentChildren;
  value?: ComponentChildren;
  onClick?: () => void;
}

/** A line of a list; with `onClick` it leads somewhere. */
export function Row({ label, value, onClick }: RowProps) {
  const inside = (
    <>
      <span class="row-label">{label}</span>
      <span class="row-value">{value}{onClick && <Next />}</span>
    </>
  );
  return onClick === undefined ? (
    <div class="row">{inside}</div>
  ) : (
    <button type="button" class="row leads" onClick={onClick}>{inside}</button>
  );
}

interface FieldProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  hint?: string;
  unit?: string;
  mode?: "text" | "decimal" | "numeric" | "tel";
  maxLength?: number;
  /** So many bytes of UTF-8 are taken. */
  maxBytes?: number;
  isSecret?: boolean;
  autoFocus?: boolean;
}

const UTF8 = new TextEncoder();

/** A line with something to type. */
export function Field({ label, value, onInput, hint = "", unit = "", mode = "text", maxLength, maxBytes = 4_000, isSecret, autoFocus }: FieldProps) {
  const input = useRef<HTMLInputElement>(null);
  const [, draw] = useState({});
  useEffect(() => {
    if (autoFocus) input.current?.focus({ preventScroll: true });
  }, []);
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      <input ref={input} type={isSecret ? "password" : "text"} inputMode={mode} value={value} placeholder={hint} aria-label={label}
        autocomplete="off" enterkeyhint="next" {...(maxLength !== undefined && { maxLength })}
        onInput={(event) => {
          const { value: typed } = event.currentTarget;
          const { read } = UTF8.encodeInto(typed, new Uint8Array(maxBytes)); // whole characters
          // digits of any width, and the point that this keyboard has
          onInput(mode === "decimal" ? typed.normalize("NFKC").replace(/[,。]/, ".") : typed.slice(0, read));
          draw({}); // what was not taken goes from the screen, too
        }} />
      {unit && <span class="field-unit">{unit}</span>}
    </label>
  );
}
