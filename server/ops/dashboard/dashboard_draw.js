"use strict";
// How numbers are written and charts are drawn. What an event tells gets into the page as text or as numbers in paths,
// never as markup. `points` is what the charts show: one for each of the last seconds, oldest first.

const CHART_S = 60, LINES = 5;
const byId = (id) => document.getElementById(id);
let points = [];

// --- as people read it ------------------------------------------------------------------------------------------

const whole = (number) => Math.round(number).toLocaleString("en");
const rate = (perS) => (perS > 0 && perS < 9.95 ? perS.toFixed(1) : whole(perS));
const yuan = (fen) => (fen / 100).toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");
const words = (name) => name.replaceAll("_", " ");

function measure(ms) {
  if (ms == null) return ["–", ""];
  return ms < 1000 ? [ms < 9.95 ? ms.toFixed(1) : whole(ms), "ms"] : [(ms / 1000).toFixed(1), "s"];
}

function span(s) {
  const parts = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const first = Math.max(0, parts.findIndex(([, size]) => s >= size));
  const told = s < 1 ? [["s", 1]] : parts.slice(first, first + 2);
  return told.map(([unit, size], at) => `${Math.floor((at ? s % told[0][1] : s) / size)} ${unit}`).join(" ");
}

function bytes(number) {
  return number < 1e9 ? [whole(number / 1e6), "MB"] : [(number / 1e9).toFixed(1), "GB"];
}

// --- pieces of the page -----------------------------------------------------------------------------------------

function make(tag, text = "", kind = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = kind;
  return made;
}

function draw(parent, tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return parent.appendChild(made);
}

function at(place, kind, text, x, y) {
  const made = place.appendChild(make("span", text, kind));
  if (x != null) made.style.left = `${x}%`;
  if (y != null) made.style.bottom = `${y}%`;
}

function judge(element, isGood, isBad) {
  element.classList.toggle("good", Boolean(isGood));
  element.classList.toggle("bad", Boolean(isBad));
}

function fill(id, rows, otherwise) {
  const none = make("td", otherwise, "none");
  none.colSpan = 9;
  const lines = (rows.length ? rows : [[none]]).map((cells) => {
    const line = make("tr");
    line.append(...cells);
    return line;
  });
  byId(id).replaceChildren(...lines);
}

// --- charts: x is time, so that a second without news is a gap in time -------------------------------------------

const xOf = (point) => 100 - (100 * (points.at(-1).at_ms - point.at_ms)) / (CHART_S * 1000);

function niceMost(most) {
  const size = 10 ** Math.floor(Math.log10(Math.max(most, 1)));
  return [1, 2, 3, 4, 6, 8, 10].map((step) => step * size).find((nice) => nice >= most);
}

function clear(id, about) {
  const place = byId(id);
  place.replaceChildren();
  place.setAttribute("role", "img");
  place.setAttribute("aria-label", `${place.dataset.about}. ${about}`);
  at(place, "tick x", "60 s ago", 0);
  const now = place.appendChild(make("span", "now", "tick x"));
  now.style.right = 0;
  return place;
}

function svgOf(place, width, height) {
  return draw(place, "svg", { viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" });
}

function lineChart(id, lines, about) {
  const most = niceMost(Math.max(...lines.flatMap(({ values }) => values)));
  const place = clear(id, about);
  for (const part of [0, 0.5, 1]) {
    at(place, "tick y", (most * part).toLocaleString("en"), null, 100 * part);
    at(place, "rule", "", null, 100 * part);
  }
  const svg = svgOf(place, 100, 100);
  for (const { values, kind } of lines) {
    const path = values.map((value, index) => `${xOf(points[index]).toFixed(2)} ${(100 - (100 * value) / most).toFixed(2)}`).join("L");
    const from = xOf(points[0]).toFixed(2);
    if (lines.length === 1) draw(svg, "path", { class: `area ${kind}`, d: `M${from} 100L${path}L100 100Z` });
    draw(svg, "path", { class: kind, d: `M${path}` });
  }
}

function oneLine(id, valueOf, kind) {
  const values = points.map(({ rates }) => valueOf(rates));
  lineChart(id, [{ values, kind }], `Now ${rate(values.at(-1))}, at most ${rate(Math.max(...values))}.`);
}

const slots = new Array(LINES).fill(null); // a kind of request keeps its colour while it is among the most frequent

function drawRequests({ lately }) {
  const sums = {};
  for (const { rates } of points) for (const [kind, perS] of Object.entries(rates.requests_per_s)) sums[kind] = (sums[kind] ?? 0) + perS;
  const frequent = Object.keys(sums).sort((one, other) => sums[other] - sums[one]).slice(0, LINES);
  slots.forEach((kind, slot) => { if (!frequent.includes(kind)) slots[slot] = null; });
  for (const kind of frequent) if (!slots.includes(kind)) slots[slots.indexOf(null)] = kind;
  const rest = (perS) => Object.entries(perS).reduce((sum, [kind, one]) => sum + (slots.includes(kind) ? 0 : one), 0);
  const series = slots.flatMap((kind, slot) => (kind ? [{ name: words(kind), kind: `k${slot}`, of: (perS) => perS[kind] ?? 0 }] : []));
  series.push({ name: "others", kind: `k${LINES}`, of: rest });
  const told = series.map(({ name, of }) => `${name} ${rate(of(lately.requests_per_s))}`);
  lineChart("requests", series.map(({ kind, of }) => ({ kind, values: points.map(({ rates }) => of(rates.requests_per_s)) })), `Now ${told.join(", ")}.`);
  byId("requests-legend").replaceChildren(...series.map(({ name, kind, of }) => {
    const line = make("li", `${name} `, kind);
    line.append(make("b", rate(of(lately.requests_per_s))));
    return line;
  }));
}

function drawHeat({ bounds_ms: bounds, lately }) {
  const rows = bounds.length + 1, most = Math.max(...points.flatMap(({ opens }) => opens));
  const [half, nearly] = [lately.open_ms.p50, lately.open_ms.p99].map((ms) => measure(ms).join(" "));
  const place = clear("heat", `In the last ten seconds half were answered within ${half}, 99 % within ${nearly}.`);
  bounds.forEach((ms, row) => {
    if (Number.isInteger(Math.log10(ms))) at(place, "tick y", measure(ms)[1] === "s" ? `${ms / 1000} s` : `${ms} ms`, null, (100 * (row + 1)) / rows);
  });
  const svg = svgOf(place, CHART_S, rows);
  for (const point of points) {
    const width = point.rates.seconds, x = ((xOf(point) * CHART_S) / 100 - width).toFixed(3);
    point.opens.forEach((count, row) => {
      const shade = 0.12 + 0.88 * (Math.log1p(count) / Math.log1p(most));
      if (count) draw(svg, "rect", { x, y: rows - 1 - row, width, height: 1, "fill-opacity": shade.toFixed(2) });
    });
  }
  draw(svg, "path", { d: nearlyAll(bounds, rows) });
}

function nearlyAll(bounds, rows) {
  let path = "", isDown = false;
  for (const point of points) {
    const ms = point.rates.open_ms.p99;
    if (ms != null) {
      const row = Math.max(0, bounds.findIndex((bound) => ms <= bound)), below = row ? bounds[row - 1] : 0;
      const y = rows - row - (ms - below) / (bounds[row] - below);
      path += `${isDown ? "L" : "M"}${((xOf(point) * CHART_S) / 100 - 0.5).toFixed(2)} ${y.toFixed(2)}`;
    }
    isDown = ms != null;
  }
  return path;
}
