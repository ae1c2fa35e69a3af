/** Amounts as text, in the unit of the server: 1234 is 12.34元, ¥12.34, or 1,234 points. */

import type { MoneyUnit } from "./messages.js";

export type Language = "zh" | "en";
export const YUAN: MoneyUnit = { zh: "元", en: "yuan", symbol: "¥", decimals: 2 };
const TYPED_DIGITS_MAX = 11;

/** The number without its unit, with commas between thousands: 123456 is 1,234.56. */
export function number(unit: MoneyUnit, amountFen: number): string {
  const digits = String(Math.abs(amountFen)).padStart(unit.decimals + 1, "0");
  const whole = digits.slice(0, digits.length - unit.decimals).replace(/\B(?=(\d{3})+$)/g, ",");
  const rest = digits.slice(digits.length - unit.decimals);
  return `${amountFen < 0 ? "-" : ""}${whole}${unit.decimals ? `.${rest}` : ""}`;
}

/** The number as a person types it: 123456 is 1234.56. */
export function typed(unit: MoneyUnit, amountFen: number): string {
  return number(unit, amountFen).replaceAll(",", "");
}

/** The number with the unit as short as a reader of the language writes it: 12.34元, ¥12.34. */
export function short(unit: MoneyUnit, language: Language, amountFen: number): string {
  const figure = number(unit, amountFen);
  if (language === "zh") return `${figure}${unit.zh}`;
  return unit.symbol ? `${unit.symbol}${figure}` : `${figure} ${unit.en}`;
}

/** The amount that a person typed; undefined for anything else. */
export function parse(unit: MoneyUnit, text: string): number | undefined {
  const found = /^(\d*)(?:\.(\d*))?$/.exec(text.trim());
  const [, whole = "", rest = ""] = found ?? [];
  if (found === null || !(whole || rest) || rest.length > unit.decimals || whole.length > TYPED_DIGITS_MAX - unit.decimals) {
    return undefined;
  }
  return Number(whole + rest.padEnd(unit.decimals, "0"));
}
