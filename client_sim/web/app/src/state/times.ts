/** Times as people read them. */

import type { Language } from "@hongbao/sdk";
import { text } from "./texts.js";

const two = (value: number) => String(value).padStart(2, "0");

/** The time of day: 20:05. */
export function clock(atMs: number): string {
  const at = new Date(atMs);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** The day: 2月16日, Feb 16; of another year with the year. */
function day(language: Language, atMs: number): string {
  const at = new Date(atMs);
  const isThisYear = at.getFullYear() === new Date().getFullYear();
  return at.toLocaleDateString(language, { month: "short", day: "numeric", ...(!isThisYear && { year: "numeric" }) });
}

/** The day and the time of day: 2月16日 20:05, Feb 16 20:05. */
export function dayAndClock(language: Language, atMs: number): string {
  return `${day(language, atMs)} ${clock(atMs)}`;
}

/** As in a list of chats: the time today, yesterday, or the day. */
export function short(language: Language, atMs: number, nowMs: number): string {
  if (!atMs) return "";
  const days = dayNumber(nowMs) - dayNumber(atMs);
  if (days === 0) return clock(atMs);
  return days === 1 ? text(language, "yesterday") : day(language, atMs);
}

/** Above a group of messages. */
export function heading(language: Language, atMs: number, nowMs: number): string {
  const days = dayNumber(nowMs) - dayNumber(atMs);
  if (days === 0) return clock(atMs);
  return days === 1 ? `${text(language, "yesterday")} ${clock(atMs)}` : dayAndClock(language, atMs);
}

function dayNumber(atMs: number): number {
  const at = new Date(atMs);
  return Math.floor(Date.UTC(at.getFullYear(), at.getMonth(), at.getDate()) / 86_400_000);
}
