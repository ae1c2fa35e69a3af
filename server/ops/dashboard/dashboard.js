"use strict";
// Every event draws the whole page again.

const SILENT_MS = 5000, AGAIN_MS = 3000;

// --- what stands where: data-text -> what an event tells there ----------------------------------------------------

const flowRate = (flow) => ({ lately }) => `${yuan(lately.money_fen_per_s[flow] ?? 0)} /s`;
const lastSecond = (tell) => (told) => (told.points.length ? rate(tell(told.points.at(-1).rates)) : "–");
const figure = (tell) => ({ now }) => (now.figures ? tell(now.figures, now) : "–");

const TEXTS = {
  version: ({ version }) => version,
  state: ({ now }) => now.state,
  uptime: ({ now }) => span((now.at_ms - now.started_at_ms) / 1000),
  durability: ({ now }) => now.durability,
  audit: ({ now }) => auditWords(now),
  opensRate: ({ lately }) => rate(lately.requests_per_s.open ?? 0),
  winsRate: ({ lately }) => rate(lately.wins_per_s),
  p50: ({ lately }) => measure(lately.open_ms.p50)[0],
  p50Unit: ({ lately }) => measure(lately.open_ms.p50)[1],
  p99: ({ lately }) => measure(lately.open_ms.p99)[0],
  p99Unit: ({ lately }) => measure(lately.open_ms.p99)[1],
  users: ({ now }) => whole(now.users_online),
  connections: ({ now }) => whole(now.connections),
  winsNow: lastSecond((rates) => rates.wins_per_s),
  sendsNow: lastSecond((rates) => rates.sends_per_s),
  pushesNow: lastSecond((rates) => rates.pushes_per_s),
  heatMost: () => whole(Math.max(0, ...points.flatMap(({ opens }) => opens))),
  lag: ({ now }) => measure(now.loop_lag_ms)[0],
  memory: ({ now }) => bytes(now.rss_bytes)[0],
  memoryUnit: ({ now }) => bytes(now.rss_bytes)[1],
  livePackets: ({ now }) => whole(now.live_packets),
  toppedUp: ({ now }) => yuan(now.money_fen.topped_up),
  toppedUpRate: flowRate("topped_up"),
  withdrawn: ({ now }) => yuan(now.money_fen.withdrawn),
  sent: ({ now }) => yuan(now.money_fen.sent),
  sentRate: flowRate("sent"),
  claimed: ({ now }) => yuan(now.money_fen.claimed),
  claimedRate: flowRate("claimed"),
  refunded: ({ now }) => yuan(now.money_fen.refunded),
  refundedText: flowRate("refunded"),
  inPackets: figure((figures) => yuan(figures.in_packets_fen)),
  livePacketsText: ({ now }) => `${whole(now.sends)} packets sent`,
  backlogFen: figure((figures) => yuan(figures.backlog_fen)),
  backlog: figure((figures) => whole(figures.backlog_claims)),
  backlogAge: figure((figures, now) => (figures.oldest_ms == null ? "0 s" : span((now.at_ms - figures.oldest_ms) / 1000))),
  settled: ({ now }) => whole(now.settled),
  settledRate: ({ lately }) => rate(lately.settled_per_s),
  refundedPackets: ({ now }) => whole(now.refunded_packets),
  slowReaders: ({ now }) => whole(now.slow_readers),
  batches: ({ lately }) => `${rate(lately.batches_per_s)} /s`,
  batchSize: ({ lately }) => rate(lately.claims_per_batch),
  unrecorded: ({ now }) => whole(now.unrecorded),
  undone: ({ now }) => whole(now.undone),
  sum: ({ balance }) => balance && sumWords(balance),
  verdict: ({ balance }) => balance && (balance.difference ? `✗ ${yuan(balance.difference)} unexplained` : "✓ it balances"),
  counted: ({ balance }) => balance && `as of ${clock(balance.at_ms)}`,
};

function auditWords({ audit, audit_fault: fault }) {
  const failed = fault && `failed at ${clock(fault.at_ms)}`;
  if (!audit) return failed || "not run yet";
  const found = audit.discrepancies ? `${whole(audit.discrepancies)} discrepancies` : "ok";
  return `${found} at ${clock(audit.at_ms)}${failed ? `, ${failed}` : ""}`;
}

function sumWords(balance) {
  const before = balance.before ? `${yuan(balance.before)} from before + ` : "";
  const moving = balance.moving - balance.difference;
  const meanwhile = moving ? ` ${moving < 0 ? "−" : "+"} ${yuan(Math.abs(moving))} moving while it was counted` : "";
  const [claimed, refunded] = [yuan(balance.claimed), yuan(balance.refunded)];
  return `${before}${yuan(balance.sent)} sent = ${claimed} claimed + ${refunded} refunded + ${yuan(balance.in_packets)} in packets${meanwhile}`;
}

// --- tables and verdicts ----------------------------------------------------------------------------------------

function drawHot({ now }) {
  const most = Math.max(1, ...now.hottest.map(({ opens }) => opens));
  fill("hot", now.hottest.map(({ packet, opens, left }) => {
    const meter = make("td", "", "meter"), bar = meter.appendChild(make("div"));
    bar.style.width = `${(100 * opens) / most}%`;
    return [make("td", packet), make("td", whole(opens), "number"), meter, make("td", left == null ? "not in memory" : whole(left), "number")];
  }), "nobody opens any");
}

function drawRefusals({ now, refused }) {
  const rows = Object.entries(now.refusals).filter(([, count]) => count);
  rows.sort(([one, first], [other, second]) => refused[other] - refused[one] || second - first);
  fill("refusals", rows.map(([reason, count]) => [
    make("td", words(reason)), make("td", whole(refused[reason]), "number"), make("td", whole(count), "number"),
  ]), "none since the start");
}

function drawStores({ now, lately }) {
  fill("stores", Object.entries(now.stores).map(([name, { up, since_ms: since, why }]) => {
    const state = make("td", up ? `up for ${span((now.at_ms - since) / 1000)}` : `away since ${clock(since)}: ${why}`, "dot");
    judge(state, up, !up);
    const { p50, p99 } = lately[`${name}_ms`] ?? {};
    return [make("td", name), state, make("td", measure(p50).join(" "), "number"), make("td", measure(p99).join(" "), "number")];
  }), "unknown");
}

function drawMoney({ balance }) {
  if (!balance) return;
  for (const part of byId("split").children) {
    part.style.flex = part.className === "in" ? balance.in_packets : balance[part.className];
  }
  judge(byId("verdict"), !balance.difference, balance.difference);
}

function drawTroubles({ not_ready: notReady, degraded, now }) {
  const found = now.audit ? now.audit.first.slice(0, 5) : [];
  const told = [...notReady.map((why) => `Not ready: ${why}`), ...degraded, ...found.map((one) => `Audit: ${one}`)];
  const shown = [...byId("troubles").children].map((line) => line.textContent);
  if (told.join("\n") !== shown.join("\n")) byId("troubles").replaceChildren(...told.map((one) => make("li", one)));
  byId("troubles").hidden = !told.length;
  judge(byId("state"), !notReady.length, notReady.length);
  judge(byId("audit"), now.audit && !now.audit.discrepancies && !now.audit_fault, now.audit?.discrepancies || now.audit_fault);
}

// --- the stream -------------------------------------------------------------------------------------------------

function show(told) {
  points = [...points, ...told.points].filter((point) => point.at_ms > told.now.at_ms - CHART_S * 1000 - 500);
  for (const place of document.querySelectorAll("[data-text]")) {
    const text = TEXTS[place.dataset.text]?.(told);
    if (text != null && text !== place.textContent) place.textContent = text;
  }
  drawTroubles(told);
  drawMoney(told);
  drawHot(told);
  drawRefusals(told);
  drawStores(told);
  if (points.length) drawCharts(told);
}

function drawCharts(told) {
  drawRequests(told);
  drawHeat(told);
  oneLine("wins", (rates) => rates.wins_per_s, "k0");
  oneLine("sends", (rates) => rates.sends_per_s, "k2");
  oneLine("pushes", (rates) => rates.pushes_per_s, "k1");
}

let source, silence;

function say(isLive, text) {
  document.body.dataset.stream = isLive ? "live" : "none";
  document.title = isLive ? "hongbao" : "hongbao: no connection";
  judge(byId("stream"), isLive, !isLive);
  if (byId("stream").textContent !== text) byId("stream").textContent = text;
}

function lose() {
  source.close();
  say(false, "no connection");
  clearTimeout(silence);
  silence = setTimeout(listen, AGAIN_MS);
}

function hear(event, isFirst) {
  if (isFirst) points = [];
  clearTimeout(silence);
  silence = setTimeout(lose, SILENT_MS); // a sleeping phone or a cable pulled out is told to nobody
  say(true, "live");
  show(JSON.parse(event.data));
}

function listen() {
  source = new EventSource("events");
  silence = setTimeout(lose, SILENT_MS);
  source.addEventListener("minute", (event) => hear(event, true));
  source.addEventListener("second", (event) => hear(event, false));
  source.addEventListener("error", lose); // it would try again by itself, but not after every answer
}

listen();
