"use strict";
// Number formats and charts. Values of an event enter the page only as text or as numbers in paths, never as markup.
// `points` is the data of the charts: one point for each of the last seconds, oldest first.

const CHART_S = 60, LINES = 5;
const FEWEST = 0.25; // the opacity of one open; the legend (.scale) begins with it
const byId = (id) => document.getElementById(id);
let points = [];

// --- number formats ---------------------------------------------------------------------------------------------

const integer = (number) => Math.round(number).toLocaleString("en");
const rate = (perS) => (perS > 0 && perS < 9.95 ? perS.toFixed(1) : integer(perS));
const decimals = Number(document.body.dataset.decimals); // of the unit of money
const money = (fen) => (fen / 10 ** decimals).toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");
const label = (name) => name.replaceAll("_", " ");

function latency(ms) {
  if (ms == null) return ["–", ""];
  return ms < 1000 ? [ms < 9.95 ? ms.toFixed(1) : integer(ms), "ms"] : [(ms / 1000).toFixed(1), "s"];
}

function duration(s) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, units.findIndex(([, size]) => s >= size));
  const shown = s < 1 ? [["s", 1]] : units.slice(first, first + 2);
  return shown.map(([unit, size], index) => `${Math.floor((index ? s % shown[0][1] : s) / size)} ${unit}`).join(" ");
}

function bytes(number) {
  return number < 1e9 ? [integer(number / 1e6), "MB"] : [(number / 1e9).toFixed(1), "GB"];
}

// --- elements of the page ---------------------------------------------------------------------------------------

function make(tag, text = "", className = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  element.className = className;
  return element;
}

function makeSvg(parent, tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return parent.appendChild(element);
}

function placeText(chart, className, text, x, y) {
  const element = chart.appendChild(make("span", text, className));
  if (x != null) element.style.left = `${x}%`;
  if (y != null) element.style.bottom = `${y}%`;
}

function meterOf(part) {
  const meter = make("td", "", "meter");
  meter.appendChild(make("div")).style.width = `${100 * part}%`;
  return meter;
}

// One bar for each hour with wins, as high as its part of the highest; the words say what the last one was.
function barsOf(hours) {
  const cell = make("td", "", "hours"), bars = cell.appendChild(make("div", "", "bars"));
  const most = Math.max(1, ...hours.map(({ won_shares: won }) => won));
  for (const { at_ms: at, won_shares: won, won_fen: fen } of hours) {
    const bar = bars.appendChild(make("span"));
    bar.style.height = `${Math.max(4, (100 * won) / most)}%`;
    bar.title = `${clock(at).slice(0, 5)}: ${integer(won)} shares, ${money(fen)}`;
  }
  const last = hours.at(-1);
  if (last) cell.appendChild(make("i", `${clock(last.at_ms).slice(0, 5)} ${integer(last.won_shares)}`));
  return cell;
}

function mark(element, isGood, isBad) {
  element.classList.toggle("good", Boolean(isGood));
  element.classList.toggle("bad", Boolean(isBad));
}

function fill(id, rows, emptyText) {
  const empty = make("td", emptyText, "none");
  empty.colSpan = 9;
  const lines = (rows.length ? rows : [[empty]]).map((cells) => {
    const line = make("tr");
    line.append(...cells);
    return line;
  });
  byId(id).replaceChildren(...lines);
}

// --- charts: x is time, so that a missing second is a gap --------------------------------------------------------

const xOf = (point) => 100 - (100 * (points.at(-1).at_ms - point.at_ms)) / (CHART_S * 1000);

function axisMaximum(most) {
  const size = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 2, 3, 4, 6, 8, 10].map((step) => step * size).find((maximum) => maximum >= most);
}

function clear(id, description) {
  const chart = byId(id);
  chart.replaceChildren();
  chart.setAttribute("role", "img");
  chart.setAttribute("aria-label", `${chart.dataset.about}. ${description}`);
  placeText(chart, "tick x", "60 s ago", 0);
  const now = chart.appendChild(make("span", "now", "tick x"));
  now.style.right = 0;
  return chart;
}

function svgOf(chart, width, height) {
  return makeSvg(chart, "svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
}

function lineChart(id, lines, description) {
  const most = axisMaximum(Math.max(...lines.flatMap(({ values }) => values)));
  const chart = clear(id, description);
  for (const part of [0, 0.5, 1]) {
    placeText(chart, "tick y", (most * part).toLocaleString("en"), null, 100 * part);
    placeText(chart, "rule", "", null, 100 * part);
  }
  const svg = svgOf(chart, 100, 100);
  for (const { values, className } of lines) {
    const path = values.map((value, index) => `${xOf(points[index]).toFixed(2)} ${(100 - (100 * value) / most).toFixed(2)}`).join("L");
    const from = xOf(points[0]).toFixed(2);
    if (lines.length === 1) makeSvg(svg, "path", { class: `area ${className}`, d: `M${from} 100L${path}L100 100Z` });
    makeSvg(svg, "path", { class: className, d: `M${path}` });
  }
}

function oneLine(id, valueOf, className) {
  const values = points.map(({ rates }) => valueOf(rates));
  lineChart(id, [{ values, className }], `Now ${rate(values.at(-1))}, maximum ${rate(Math.max(...values))}.`);
}

const slots = new Array(LINES).fill(null); // a request kind keeps its colour while it is among the most frequent

function drawRequests({ recent }) {
  const sums = {};
  for (const { rates } of points) for (const [kind, perS] of Object.entries(rates.requests_per_s)) sums[kind] = (sums[kind] ?? 0) + perS;
  const frequent = Object.keys(sums).sort((one, other) => sums[other] - sums[one]).slice(0, LINES);
  slots.forEach((kind, slot) => { if (!frequent.includes(kind)) slots[slot] = null; });
  for (const kind of frequent) if (!slots.includes(kind)) slots[slots.indexOf(null)] = kind;
  const others = (perS) => Object.entries(perS).reduce((sum, [kind, one]) => sum + (slots.includes(kind) ? 0 : one), 0);
  const series = slots.flatMap((kind, slot) => (kind ? [{ name: label(kind), className: `k${slot}`, of: (perS) => perS[kind] ?? 0 }] : []));
  series.push({ name: "others", className: `k${LINES}`, of: others });
  const lines = series.map(({ className, of }) => ({ className, values: points.map(({ rates }) => of(rates.requests_per_s)) }));
  lineChart("requests", lines, `Now ${series.map(({ name, of }) => `${name} ${rate(of(recent.requests_per_s))}`).join(", ")}.`);
  byId("requests-legend").replaceChildren(...series.map(({ name, className, of }) => {
    const entry = make("li", `${name} `, className);
    entry.append(make("b", rate(of(recent.requests_per_s))));
    return entry;
  }));
}

function drawHeat({ bounds_ms: bounds, recent }) {
  const rows = bounds.length + 1, most = Math.max(...points.flatMap(({ opens }) => opens));
  const [p50, p99] = [recent.open_ms.p50, recent.open_ms.p99].map((ms) => latency(ms).join(" "));
  const chart = clear("heat", `Last ten seconds: p50 ${p50}, p99 ${p99}.`);
  bounds.forEach((ms, row) => {
    if (Number.isInteger(Math.log10(ms))) placeText(chart, "tick y", latency(ms)[1] === "s" ? `${ms / 1000} s` : `${ms} ms`, null, (100 * (row + 1)) / rows);
  });
  const svg = svgOf(chart, CHART_S, rows);
  for (const point of points) {
    const width = point.rates.seconds, x = ((xOf(point) * CHART_S) / 100 - width).toFixed(3);
    point.opens.forEach((count, row) => {
      const shade = FEWEST + (1 - FEWEST) * (Math.log(count) / Math.log(Math.max(most, 2)));
      if (count) makeSvg(svg, "rect", { x, y: rows - 1 - row, width, height: 1, "fill-opacity": shade.toFixed(2) });
    });
  }
  makeSvg(svg, "path", { d: p99Path(bounds, rows) });
}

function p99Path(bounds, rows) {
  let path = "", isDrawing = false;
  for (const point of points) {
    const ms = point.rates.open_ms.p99;
    if (ms != null) {
      const row = Math.max(0, bounds.findIndex((bound) => ms <= bound)), below = row ? bounds[row - 1] : 0;
      const y = rows - row - (ms - below) / (bounds[row] - below);
      path += `${isDrawing ? "L" : "M"}${((xOf(point) * CHART_S) / 100 - 0.5).toFixed(2)} ${y.toFixed(2)}`;
    }
    isDrawing = ms != null;
  }
  return path;
}
