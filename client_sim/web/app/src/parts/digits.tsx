/** Six digits in six boxes: a password that is never shown, or a code of an SMS. */

import { useEffect, useRef } from "preact/hooks";

const DIGITS = 6;

interface DigitsProps {
  label: string;
  value: string;
  onInput: (value: string) => void;
  /** Called with the sixth digit. */
  onFull?: (value: string) => void;
  isSecret?: boolean;
  isDisabled?: boolean;
  autoFocus?: boolean;
}

/** The next six digits of the same form. */
function nextOf(input: HTMLInputElement): HTMLInputElement | undefined {
  const all = [...input.form!.querySelectorAll<HTMLInputElement>(".boxes input")];
  return all[all.indexOf(input) + 1];
}

export function Digits({ label, value, onInput, onFull, isSecret = true, isDisabled = false, autoFocus = false }: DigitsProps) {
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => {
    if (autoFocus && !value) input.current?.focus({ preventScroll: true }); // at first, and when it is to be typed again
  }, [!value]);
  const take = (typed: string) => {
    const digits = typed.replace(/\D/g, "").slice(0, DIGITS);
    onInput(digits);
    if (digits.length < DIGITS || digits === value) return;
    if (onFull !== undefined) onFull(digits);
    else nextOf(input.current!)?.focus();
  };
  return (
    <label class="digits">
      <span class="field-label">{label}</span>
      <span class="boxes">
        <input ref={input} type={isSecret ? "password" : "text"} inputMode="numeric" value={value} readOnly={isDisabled} aria-label={label}
          autocomplete={isSecret ? "off" : "one-time-code"} maxLength={DIGITS}
          onInput={(event) => take(event.currentTarget.value)} />
        {Array.from({ length: DIGITS }, (_, at) => (
          <span key={at} class={at === value.length ? "box next" : "box"} aria-hidden="true">
            {at < value.length ? (isSecret ? "●" : value[at]) : ""}
          </span>
        ))}
      </span>
    </label>
  );
}
