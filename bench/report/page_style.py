"""How the page looks: in daylight and in the dark, on a desk and on a phone, without a font of its own."""

from __future__ import annotations

from typing import Final

# The colours of Okabe and Ito, darker on white and lighter on black where they would be too faint.
STYLE: Final = """
:root { --page: #fff; --ink: #1a1c1f; --soft: #5b626b; --hair: #dfe3e8; --panel: #f4f6f8; --good: #00704f;
  --bad: #b3260a; --0: #0072b2; --1: #d55e00; --2: #009e73; --3: #c0609a; --4: #a87900; --5: #4aa3d8; --6: #6b4fa0;
  --7: #6d7580; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --ink: #e9ecef; --soft: #a0a8b1; --hair: #2d333a;
  --panel: #1d2126; --good: #45c79c; --bad: #ff8a66; --0: #4fb0ec; --1: #f08a3c; --2: #2cc295; --3: #e394c4;
  --4: #e6c14a; --5: #a5d8f5; --6: #b59ae6; --7: #9aa3ad; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
  overflow-wrap: break-word; -webkit-text-size-adjust: 100%; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 24px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 19px; margin: 0 0 16px; }
h3 { font-size: 14px; font-weight: 600; margin: 0 0 8px; }
section { margin-top: 48px; }
.lede { margin: 8px 0 0; max-width: 46em; color: var(--soft); }
.note { font-size: 14px; margin: 8px 0 0; max-width: 52em; color: var(--soft); }
.key { display: grid; grid-template-columns: 1.6fr 1fr 1fr 1fr; gap: 16px; margin: 32px 0 24px; }
.key dt { font-size: 14px; color: var(--soft); }
.key dd { margin: 0; font-size: 42px; line-height: 1.15; font-weight: 600; letter-spacing: -0.02em;
  white-space: nowrap; }
.key small { font-size: 0.45em; font-weight: 400; letter-spacing: 0; color: var(--soft); }
.notice { display: flex; gap: 10px; margin: 16px 0 0; padding: 10px 14px; background: var(--panel);
  border-left: 4px solid; border-radius: 2px; max-width: 100%; }
.notice span:last-child { color: var(--ink); }
.good { color: var(--good); }
.bad { color: var(--bad); }
figure { margin: 0; min-width: 0; }
.chart { --c: var(--soft); display: block; overflow: visible; }
.lines { width: calc(100% - 76px); height: 220px; margin: 28px 20px 48px 56px; }
#latency { height: 340px; }
.bar { width: calc(100% - 20px); height: 36px; margin: 4px 10px 48px; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 32px 40px; }
.grid { stroke: var(--hair); }
.tick, .axis { font-size: 12px; fill: var(--soft); font-variant-numeric: tabular-nums; }
.mark { font-size: 13px; font-weight: 600; fill: var(--ink); }
.line { fill: none; stroke: var(--c); stroke-width: 2.25; stroke-linejoin: round; stroke-linecap: round; }
.line.dashed { stroke-width: 1.5; stroke-dasharray: 6 5; stroke-linecap: butt; }
.dot { fill: var(--c); stroke: var(--page); stroke-width: 1.5; }
.track { fill: var(--panel); }
.part { fill: var(--c); stroke: var(--page); }
.any { --c: var(--soft); } .c0 { --c: var(--0); } .c1 { --c: var(--1); } .c2 { --c: var(--2); }
.c3 { --c: var(--3); } .c4 { --c: var(--4); } .c5 { --c: var(--5); } .c6 { --c: var(--6); } .c7 { --c: var(--7); }
.legend { display: flex; flex-wrap: wrap; gap: 4px 20px; list-style: none; margin: 0; padding: 0; font-size: 14px; }
.swatch { display: inline-block; width: 14px; height: 14px; margin-right: 7px; vertical-align: -2px;
  border-radius: 3px; background: var(--c); }
.swatch.dashed { height: 0; vertical-align: 4px; border-radius: 0; background: none; width: 22px;
  border-top: 2px dashed var(--c); }
.tables { columns: 3 280px; column-gap: 48px; margin-top: 24px; }
.tables table { break-inside: avoid; margin-bottom: 32px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: 6px; }
th, td { border-top: 1px solid var(--hair); padding: 6px 0 6px 16px; text-align: right; vertical-align: baseline; }
th { font-weight: 400; text-align: left; padding-left: 0; }
td { white-space: nowrap; }
td.none { color: var(--soft); text-align: left; padding-left: 0; }
tr.good > *, tr.bad > * { font-weight: 600; }
.scroll { overflow-x: auto; margin-top: 24px; }
.wide th, .wide td { white-space: nowrap; }
.wide thead th { color: var(--soft); border: 0; padding-left: 16px; text-align: right; }
.wide thead th:first-child { padding-left: 0; text-align: left; }
pre { margin: 16px 0 0; padding: 12px 14px; overflow-x: auto; background: var(--panel); border-radius: 4px;
  font: 13px/1.5 ui-monospace, monospace; }
.command { white-space: pre-wrap; }
.facts { display: flex; flex-wrap: wrap; gap: 2px 24px; margin: 12px 0; font-size: 14px; }
.facts dt, .facts dd { display: inline; margin: 0; overflow-wrap: anywhere; }
.facts dt { color: var(--soft); margin-right: 6px; }
summary { cursor: pointer; font-size: 14px; color: var(--soft); }
@media (max-width: 720px) {
  main { padding: 24px 16px 48px; }
  .key { grid-template-columns: 1fr 1fr 1fr; } .key div:first-child { grid-column: 1 / -1; }
  .key dd { font-size: 28px; } .key div:first-child dd { font-size: 44px; }
  .pair { grid-template-columns: 1fr; }
  #latency { height: 280px; }
  .wide tbody th { white-space: normal; min-width: 10em; }
}
@media print { section { break-inside: avoid; } }
"""
