/**
 * A long list of which only what is near the screen is drawn.
 *
 * Heights are measured once drawn and estimated before. The list stays at its end while the user is there, as a chat
 * does; elsewhere what is on the screen stays where it is, whatever grows or is added above it.
 */

import type { ComponentChildren } from "preact";
import { useLayoutEffect, useReducer, useRef } from "preact/hooks";

const ESTIMATE_PX = 72;
const BEYOND_PX = 600; // drawn above and below the screen
const AT_END_PX = 60;
const HEIGHTS_SPARE = 200; // heights of rows that are gone, before they are forgotten

interface LongListProps<Item> {
  items: readonly Item[];
  keyOf: (item: Item) => string;
  draw: (item: Item, before: Item | undefined) => ComponentChildren;
  /** The user has come to the top. */
  onTop: () => void;
  /** Whether the user is at the end. */
  onEnd: (isAtEnd: boolean) => void;
  label: string;
}

export function LongList<Item>({ items, keyOf, draw, onTop, onEnd, label }: LongListProps<Item>) {
  const box = useRef<HTMLDivElement>(null);
  const heights = useRef(new Map<string, number>()).current;
  const place = useRef({ isAtEnd: true, key: "", offset: 0 }).current; // the first row on the screen, and its top
  const [, redraw] = useReducer((count: number) => count + 1, 0);

  const heightOf = (item: Item) => heights.get(keyOf(item)) ?? ESTIMATE_PX;
  const tops: number[] = [0];
  for (const item of items) tops.push(tops.at(-1)! + heightOf(item));
  const total = tops.at(-1)!;
  const view = box.current?.clientHeight ?? 800;
  const from = place.isAtEnd ? total - view : scrollTopOf();
  const first = lastBelow(tops, from - BEYOND_PX);
  const end = Math.min(items.length, lastBelow(tops, from + view + BEYOND_PX) + 1);

  /** Where to scroll so that the first row on the screen stays there. */
  function scrollTopOf(): number {
    const at = items.findIndex((item) => keyOf(item) === place.key);
    return at < 0 ? (box.current?.scrollTop ?? 0) : tops[at]! + place.offset;
  }

  /** Rows that are gone need no height. */
  function forgetHeights(): void {
    const present = new Set(items.map(keyOf));
    for (const key of [...heights.keys()]) if (!present.has(key)) heights.delete(key);
  }

  useLayoutEffect(() => {
    const element = box.current!;
    let hasChanged = false;
    for (const row of element.querySelectorAll<HTMLElement>("[data-key]")) {
      const measured = row.offsetHeight;
      if (heights.get(row.dataset.key!) !== measured) {
        heights.set(row.dataset.key!, measured);
        hasChanged = true;
      }
    }
    if (heights.size > HEIGHTS_SPARE + items.length) forgetHeights();
    if (hasChanged) redraw(0);
    else {
      element.scrollTop = place.isAtEnd ? element.scrollHeight : scrollTopOf();
      if (element.scrollTop < BEYOND_PX) onTop(); // also where there is nothing to scroll
    }
  });

  useLayoutEffect(() => {
    const resized = new ResizeObserver(() => redraw(0));
    resized.observe(box.current!);
    return () => resized.disconnect();
  }, []);

  const scrolled = () => {
    if (!box.current) return; // a scroll may be told after the list has gone
    const { scrollTop, scrollHeight, clientHeight } = box.current;
    place.isAtEnd = scrollHeight - scrollTop - clientHeight < AT_END_PX;
    const at = Math.min(lastBelow(tops, scrollTop), items.length - 1);
    if (at >= 0) {
      place.key = keyOf(items[at]!);
      place.offset = scrollTop - tops[at]!;
    }
    onEnd(place.isAtEnd);
    if (scrollTop < BEYOND_PX) onTop();
    redraw(0);
  };

  return (
    <div class="long-list" ref={box} onScroll={scrolled} role="log" aria-live="off" aria-label={label} tabIndex={0}>
      <div style={{ height: tops[first] }} />
      {items.slice(first, end).map((item, at) => (
        <div key={keyOf(item)} data-key={keyOf(item)}>
          {draw(item, items[first + at - 1])}
        </div>
      ))}
      <div style={{ height: total - tops[end]! }} />
    </div>
  );
}

/** The place of the last top that is at or above this one; 0 if there is none. */
function lastBelow(tops: readonly number[], top: number): number {
  let low = 0;
  let high = tops.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (tops[middle]! <= top) low = middle;
    else high = middle - 1;
  }
  return low;
}
