/** Times as people read them. */

import type { Language } from "@hongbao/sdk";
import { text } from "./texts.js";

const two = (value: number) => String(value).padStart(2, "0");

/** The time of day: 20:05. */
export function clock(atMs: number): string {
  const at = new Date(atMs);
  return `${two(at.getHours())}:${two(at.getMinutes())}`;
}

/** The day and the time of day: 02-16 20:05. */
export function dayAndClock(atMs: number): string {
  const at = new Date(atMs);
  return `${two(at.getMonth() + 1)}-${two(at.getDate())} ${clock(atMs)}`;
}

/** As in a list of chats: the time today, yesterday, or the day. */
export function short(language: Language, atMs: number, nowMs: number): string {
  if (!atMs) return "";
  const days = dayNumber(nowMs) - dayNumber(atMs);
  if (days === 0) return clock(atMs);
  return days === 1 ? text(language, "yesterday") : dayAndClock(atMs).slice(0, 5);
}

/** Above a group of messages. */
export function heading(language: Language, atMs: number, nowMs: number): string {
  const days = dayNumber(nowMs) - dayNumber(atMs);
  if (days === 0) return clock(atMs);
  return days === 1 ? `${text(language, "yesterday")} ${clock(atMs)}` : dayAndClock(atMs);
}

function dayNumber(atMs: number): number {
  const at = new Date(atMs);
  return Math.floor(Date.UTC(at.getFullYear(), at.getMonth(), at.getDate()) / 86_400_000);
}
