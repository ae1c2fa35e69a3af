/** Drawings. All are hidden from screen readers: what they stand for is said beside them. */

import type { ComponentChildren } from "preact";

function Icon({ children, size = 24 }: { children: ComponentChildren; size?: number }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" width={size} height={size} aria-hidden="true" focusable="false">
      {children}
    </svg>
  );
}

export const Back = () => <Icon><path d="M15 4l-8 8 8 8" class="line" /></Icon>;
export const Close = () => <Icon><path d="M5 5l14 14M19 5L5 19" class="line" /></Icon>;
export const More = () => (
  <Icon>
    <circle cx="5" cy="12" r="1.8" /><circle cx="12" cy="12" r="1.8" /><circle cx="19" cy="12" r="1.8" />
  </Icon>
);
export const Plus = () => (
  <Icon size={28}><circle cx="12" cy="12" r="10" class="line thin" /><path d="M12 7v10M7 12h10" class="line thin" /></Icon>
);
export const Next = () => <Icon size={16}><path d="M8 4l8 8-8 8" class="line" /></Icon>;
export const Tick = () => <Icon size={20}><path d="M4 13l5 5L20 6" class="line" /></Icon>;
export const Cross = () => <Icon size={20}><path d="M6 6l12 12M18 6L6 18" class="line" /></Icon>;
export const Crown = () => <Icon size={16}><path d="M3 8l4.5 4L12 5l4.5 7L21 8l-2 10H5z" /></Icon>;
export const Person = () => (
  <Icon><circle cx="12" cy="8" r="4.2" class="line thin" /><path d="M4 21c1-5 4-7 8-7s7 2 8 7" class="line thin" /></Icon>
);
export const Purse = () => (
  <Icon>
    <rect x="3" y="6" width="18" height="14" rx="2.5" class="line thin" />
    <path d="M16 11h5v4h-5a2 2 0 0 1 0-4zM5 6l11-3 2 3" class="line thin" />
  </Icon>
);
export const Phone = () => (
  <Icon size={120}>
    <rect x="7" y="2.5" width="10" height="19" rx="2" class="line hair" />
    <path d="M10.5 4.6h3M3.5 8.5v7M20.5 8.5v7M1.5 10.5v3M22.5 10.5v3" class="line hair" />
  </Icon>
);

/** A red envelope with its coin; `isOpen`: the flap is up. */
export function Envelope({ isOpen = false, size = 40 }: { isOpen?: boolean; size?: number }) {
  return (
    <svg class="envelope" viewBox="0 0 36 44" width={(size * 36) / 44} height={size} aria-hidden="true" focusable="false">
      <rect x="1" y="1" width="34" height="42" rx="4.5" class="paper" />
      {isOpen ? (
        <path d="M1 14V5.5a4.5 4.5 0 0 1 4.5-4.5h25A4.5 4.5 0 0 1 35 5.5V14L18 5z" class="inside" />
      ) : (
        <path d="M1 12V5.5A4.5 4.5 0 0 1 5.5 1h25A4.5 4.5 0 0 1 35 5.5V12C27 20 9 20 1 12z" class="flap" />
      )}
      <circle cx="18" cy={isOpen ? 22 : 17.5} r="5.6" class="seal" />
    </svg>
  );
}
