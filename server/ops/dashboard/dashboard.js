"use strict";
// Every event redraws the whole page.

const TIMEOUT_MS = 5000, RECONNECT_MS = 3000;

// --- data-text attribute -> the text that an event puts there -----------------------------------------------------

const flowRate = (flow) => ({ recent }) => `${money(recent.money_fen_per_s[flow] ?? 0)} /s`;
const lastSecond = (value) => (event) => (event.points.length ? rate(value(event.points.at(-1).rates)) : "–");
const figure = (text) => ({ now }) => (now.figures ? text(now.figures, now) : "–");

const openPayments = (text) => ({ now }) => now.payments && text(now.payments);
const waiting = (state) => openPayments((payments) => integer(payments.waiting[state]));
const oldest = (state) => openPayments((payments) => (payments.waiting[state] ? `oldest ${duration(payments.oldest_s[state])}` : "none waits"));

const TEXTS = {
  version: ({ version }) => version,
  state: ({ now }) => now.state,
  uptime: ({ now }) => duration((now.at_ms - now.started_at_ms) / 1000),
  durability: ({ now }) => now.durability,
  audit: ({ now }) => auditText(now),
  opensRate: ({ recent }) => rate(recent.requests_per_s.open ?? 0),
  winsRate: ({ recent }) => rate(recent.wins_per_s),
  p50: ({ recent }) => latency(recent.open_ms.p50)[0],
  p50Unit: ({ recent }) => latency(recent.open_ms.p50)[1],
  p99: ({ recent }) => latency(recent.open_ms.p99)[0],
  p99Unit: ({ recent }) => latency(recent.open_ms.p99)[1],
  users: ({ now }) => integer(now.users_online),
  connections: ({ now }) => integer(now.connections),
  winsNow: lastSecond((rates) => rates.wins_per_s),
  sendsNow: lastSecond((rates) => rates.sends_per_s),
  pushesNow: lastSecond((rates) => rates.pushes_per_s),
  heatMost: () => integer(Math.max(0, ...points.flatMap(({ opens }) => opens))),
  lag: ({ now }) => latency(now.loop_lag_ms)[0],
  memory: ({ now }) => bytes(now.rss_bytes)[0],
  memoryUnit: ({ now }) => bytes(now.rss_bytes)[1],
  livePackets: ({ now }) => integer(now.live_packets),
  toppedUp: ({ now }) => money(now.money_fen.topped_up),
  toppedUpRate: flowRate("topped_up"),
  withdrawn: ({ now }) => money(now.money_fen.withdrawn),
  sent: ({ now }) => money(now.money_fen.sent),
  sentRate: flowRate("sent"),
  claimed: ({ now }) => money(now.money_fen.claimed),
  claimedRate: flowRate("claimed"),
  refunded: ({ now }) => money(now.money_fen.refunded),
  refundedRate: flowRate("refunded"),
  inPackets: figure((figures) => money(figures.in_packets_fen)),
  sends: ({ now }) => `${integer(now.sends)} packets sent`,
  backlogFen: figure((figures) => money(figures.backlog_fen)),
  backlog: figure((figures) => integer(figures.backlog_claims)),
  backlogAge: figure((figures, now) => (figures.oldest_ms == null ? "0 s" : duration((now.at_ms - figures.oldest_ms) / 1000))),
  settled: ({ now }) => integer(now.settled),
  settledRate: ({ recent }) => rate(recent.settled_per_s),
  refundedPackets: ({ now }) => integer(now.refunded_packets),
  slowReaders: ({ now }) => integer(now.slow_readers),
  batches: ({ recent }) => `${rate(recent.batches_per_s)} /s`,
  batchSize: ({ recent }) => rate(recent.claims_per_batch),
  inFlight: ({ now }) => integer(now.unrecorded),
  retried: ({ now }) => integer(now.rejected),
  payCreated: waiting("created"),
  payCreatedAge: oldest("created"),
  paySubmitted: waiting("submitted"),
  paySubmittedAge: oldest("submitted"),
  payUnknown: waiting("unknown"),
  payUnknownAge: oldest("unknown"),
  payBreaks: openPayments(({ breaks }) => (breaks ? `✗ ${integer(breaks)}` : "✓ none")),
  payAway: openPayments(({ away }) => (away.length ? `✗ ${away.join(", ")} away` : "✓ respond")),
  linksUp: ({ now }) => integer(Object.values(now.links?.up ?? {}).reduce((sum, one) => sum + one, 0)),
  linksMissing: ({ now }) => (missingLinks(now) ? `✗ ${integer(missingLinks(now))} missing` : "✓ none missing"),
  forwardedRate: ({ recent }) => rate(recent.forwarded_per_s),
  forwardedWaiting: ({ now }) => `${integer(now.peers.waiting)} wait`,
  servedRate: ({ recent }) => rate(recent.served_per_s),
  peerEventsRate: ({ recent }) => rate(recent.peer_events_per_s),
  perFrame: ({ recent }) => rate(recent.messages_per_frame),
  framesRate: ({ recent }) => `${rate(recent.peer_frames_per_s)} frames /s`,
  peerBytes: ({ recent }) => `${integer(recent.peer_bytes_per_s / 1000)} kB /s`,
  gaps: ({ now }) => integer(now.peers.gaps),
  sum: ({ balance }) => balance && sumText(balance),
  verdict: ({ balance }) => balance && (balance.difference ? `✗ ${money(balance.difference)} unexplained` : "✓ balanced"),
  counted: ({ balance }) => balance && `as of ${clock(balance.at_ms)}`,
};

function auditText({ audit, audit_fault: fault }) {
  const failed = fault && `failed at ${clock(fault.at_ms)}`;
  if (!audit) return failed || "not run yet";
  const found = audit.discrepancies ? `${integer(audit.discrepancies)} discrepancies` : "ok";
  return `${found} at ${clock(audit.at_ms)}${failed ? `, ${failed}` : ""}`;
}

function sumText(balance) {
  const opening = balance.opening ? `${money(balance.opening)} opening balance + ` : "";
  const explained = balance.in_transit - balance.difference;
  const inTransit = explained ? ` ${explained < 0 ? "−" : "+"} ${money(Math.abs(explained))} in transit during the count` : "";
  const [claimed, refunded] = [money(balance.claimed), money(balance.refunded)];
  return `${opening}${money(balance.sent)} sent = ${claimed} claimed + ${refunded} refunded + ${money(balance.in_packets)} in packets${inTransit}`;
}

// --- tables and states --------------------------------------------------------------------------------------------

// A state differs by its sign and its words, not by its colour alone.
function sharesLeft(left) {
  if (left == null) return ["○ not in memory", "number away"];
  return left ? [`● ${integer(left)}`, "number open"] : ["■ all opened", "number over"];
}

function drawHotPackets({ now }) {
  const most = Math.max(1, ...now.hottest.map(({ opens }) => opens));
  fill("hot", now.hottest.map(({ packet, opens, left }) => [
    make("td", packet, "id"), make("td", integer(opens), "number"), meterOf(opens / most), make("td", ...sharesLeft(left)),
  ]), "no recent opens");
}

function drawRefusals({ now, refused }) {
  const rows = Object.entries(now.refusals).filter(([, count]) => count);
  rows.sort(([one, first], [other, second]) => refused[other] - refused[one] || second - first);
  const most = Math.max(1, ...rows.map(([reason]) => refused[reason]));
  fill("refusals", rows.map(([reason, count]) => [
    make("td", label(reason)), meterOf(refused[reason] / most), make("td", integer(refused[reason]), "number"), make("td", integer(count), "number"),
  ]), "none since the start");
}

function drawStores({ now, recent }) {
  fill("stores", Object.entries(now.stores).map(([name, { up, since_ms: since, why }]) => {
    const state = make("td", up ? `✓ up for ${duration((now.at_ms - since) / 1000)}` : `✗ away since ${clock(since)}: ${why}`, "store");
    mark(state, up, !up);
    const { p50, p99 } = recent[`${name}_ms`] ?? {};
    return [make("td", name, "name"), state, make("td", latency(p50).join(" "), "number"), make("td", latency(p99).join(" "), "number")];
  }), "unknown");
}

function drawWorkers({ workers }) {
  byId("workers-section").hidden = !workers.length;
  fill("workers", workers.map((one) => {
    const serves = one.state === "serving";
    const state = make("td", serves ? "✓ serving" : `✗ ${one.state}${one.why ? `: ${one.why}` : ""}`, "store");
    mark(state, serves, !serves);
    const numbers = [integer(one.connections), integer(one.links), latency(one.loop_lag_ms).join(" "), bytes(one.rss_bytes).join(" "), duration(one.up_s), integer(one.ends)];
    return [make("td", integer(one.worker), "name"), state, ...numbers.map((text) => make("td", text, "number"))];
  }), "none");
}

function missingLinks({ links }) {
  return Object.keys(links?.missing ?? {}).length;
}

function drawPeers({ now }) {
  byId("peers-section").hidden = now.links == null;
  mark(byId("missing"), !missingLinks(now), missingLinks(now));
}

function drawMoney({ balance }) {
  if (!balance) return;
  for (const part of byId("split").children) {
    part.style.flex = part.className === "in" ? balance.in_packets : balance[part.className];
  }
  mark(byId("verdict"), !balance.difference, balance.difference);
}

const UNKNOWN_S = 60; // an outcome that is unknown for longer is shown as bad

function drawPayments({ now: { payments } }) {
  byId("payments").hidden = !payments;
  if (!payments) return;
  mark(byId("unknown"), false, payments.waiting.unknown && payments.oldest_s.unknown > UNKNOWN_S);
  mark(byId("breaks"), !payments.breaks, payments.breaks);
  mark(byId("gateways"), !payments.away.length, payments.away.length);
}

function drawCampaigns({ campaigns }) {
  byId("campaigns").hidden = !campaigns.length;
  fill("campaign-lines", campaigns.map((one) => {
    const cost = one.cost_per_winner_fen;
    const spent = `${money(one.won_fen)} (${Math.round((100 * one.won_fen) / one.budget_fen)} %)`;
    return [
      make("td", `${one.name} (${one.sponsor})`), make("td", one.state), make("td", spent, "number"), make("td", money(one.left_fen), "number"),
      make("td", integer(one.winners), "number"), make("td", cost == null ? "–" : money(cost), "number"), barsOf(one.hours),
    ];
  }), "none");
}

function drawProblems({ not_ready: notReady, degraded, now }) {
  const discrepancies = now.audit ? now.audit.first.slice(0, 5) : [];
  const problems = [...notReady.map((why) => `Not ready: ${why}`), ...degraded, ...discrepancies.map((one) => `Audit: ${one}`)];
  const shown = [...byId("problems").children].map((line) => line.textContent);
  if (problems.join("\n") !== shown.join("\n")) byId("problems").replaceChildren(...problems.map((one) => make("li", one)));
  byId("problems").hidden = !problems.length;
  mark(byId("state"), !notReady.length, notReady.length);
  mark(byId("audit"), now.audit && !now.audit.discrepancies && !now.audit_fault, now.audit?.discrepancies || now.audit_fault);
}

// --- the stream ---------------------------------------------------------------------------------------------------

function show(event) {
  points = [...points, ...event.points].filter((point) => point.at_ms > event.now.at_ms - CHART_S * 1000 - 500);
  for (const element of document.querySelectorAll("[data-text]")) {
    const text = TEXTS[element.dataset.text]?.(event);
    if (text != null && text !== element.textContent) element.textContent = text;
  }
  drawProblems(event);
  drawMoney(event);
  drawPayments(event);
  drawCampaigns(event);
  drawHotPackets(event);
  drawRefusals(event);
  drawStores(event);
  drawWorkers(event);
  drawPeers(event);
  if (points.length) drawCharts(event);
}

function drawCharts(event) {
  drawRequests(event);
  drawHeat(event);
  oneLine("wins", (rates) => rates.wins_per_s, "k0");
  oneLine("sends", (rates) => rates.sends_per_s, "k2");
  oneLine("pushes", (rates) => rates.pushes_per_s, "k1");
}

let source, timer;

function showConnection(isLive, text) {
  document.body.dataset.stream = isLive ? "live" : "none";
  document.title = isLive ? "hongbao" : "hongbao: no connection";
  mark(byId("stream"), isLive, !isLive);
  if (byId("stream").textContent !== text) byId("stream").textContent = text;
}

function reconnectLater() {
  source.close();
  showConnection(false, "no connection");
  clearTimeout(timer);
  timer = setTimeout(connect, RECONNECT_MS);
}

function receive(message, isFirst) {
  if (isFirst) points = [];
  clearTimeout(timer);
  timer = setTimeout(reconnectLater, TIMEOUT_MS); // after sleep or a pulled cable the browser reports no error
  showConnection(true, "live");
  show(JSON.parse(message.data));
}

function connect() {
  source = new EventSource("events");
  timer = setTimeout(reconnectLater, TIMEOUT_MS);
  source.addEventListener("minute", (message) => receive(message, true));
  source.addEventListener("second", (message) => receive(message, false));
  source.addEventListener("error", reconnectLater); // the browser itself does not retry after every kind of error
}

connect();
