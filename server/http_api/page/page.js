"use strict";
(() => {
  const PATIENCE_MS = 20000; // with refusals that are temporary
  const REPLY_MS = 15000; // for one reply
  const RETRY_MS = 500; // after no reply
  const part = (id) => document.getElementById(id);
  const texts = JSON.parse(part("texts").textContent);
  const card = new URLSearchParams(location.hash.slice(1));
  const link = card.get("signed") || "";
  const language = texts[card.get("language")] ? card.get("language") : "zh";
  const onCard = ["view", "line", "button", "say", "link"]; // what a link may describe; results come from the server
  const offers = ["pass_on", "send_again", "records", "send"];
  let again = ["POST", "open"]; // what the coin asks for

  // The app whose WebView this is, if it listens: each kind of WebView takes a text.
  const handlers = window.webkit && window.webkit.messageHandlers;
  const host = window.hongbao || (handlers && handlers.hongbao) || window.ReactNativeWebView;
  function tell(event, more) {
    if (host) host.postMessage(JSON.stringify({ hongbao: event, packet_id: link.split(".")[0], ...more }));
  }

  function say(id, text) {
    part(id).textContent = text || "";
    part(id).hidden = !text;
  }

  // A page, as the link or the server describes it.
  function draw(page) {
    again = ["POST", "open"];
    say("open", page.button);
    say("say", page.say);
    part("words").hidden = !page.say;
    for (const name of ["line", "link", "amount", "note", "summary", "ending", "turn"]) say(name, page[name]);
    for (const name of offers) say(name, host && page[name]);
    document.body.className = page.view === "result" ? "over" : "";
    part("lines").textContent = "";
    for (const line of page.lines || []) addRow(line);
    if (page.more) addRow({ name: "…" });
  }

  function addRow(line) {
    const row = document.createElement("li");
    for (const name of ["name", "amount", "when", "mark"]) {
      const cell = document.createElement("span");
      cell.className = name;
      cell.textContent = line[name] || "";
      row.append(cell);
    }
    part("lines").append(row);
  }

  function refuse(reply) {
    if (reply.code === "bad_link") {
      say("line", `${texts.zh.link_is_over}\n${texts.en.link_is_over}`);
      say("open", "");
      say("link", "");
      part("words").hidden = true;
      tell("bad_link");
    } else if (reply.temporary) {
      say("line", texts[language].try_again);
    } else {
      say("line", texts[language].not_for_you);
      say("open", "");
      part("words").hidden = true;
    }
  }

  async function askOnce(method, path, body) {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), REPLY_MS);
    const headers = { "Hongbao-Link": link };
    try {
      const options = { method, headers, cache: "no-store", credentials: "omit", signal: stop.signal };
      if (body) {
        headers["Content-Type"] = "application/json";
        options.body = JSON.stringify(body);
      }
      return await (await fetch(`${path}?language=${language}`, options)).json();
    } catch (error) { // no connection, or a proxy spoke
      return { temporary: true, retry_after_ms: RETRY_MS, isLost: true };
    } finally {
      clearTimeout(timer);
    }
  }

  // An open is made once, however often it is asked for, so an unknown outcome is asked again. Words that may have
  // been wrong are not: each time is an attempt.
  async function ask(method, path, body) {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const reply = await askOnce(method, path, body);
      const isBusy = reply.answer === "busy";
      if (!(reply.temporary || isBusy) || (body && reply.isLost)) return reply;
      if (Date.now() >= end) return { temporary: true };
      await new Promise((done) => setTimeout(done, reply.retry_after_ms || RETRY_MS));
    }
  }

  async function work(method, path, body) {
    const coin = part("open");
    const button = coin.textContent;
    const words = part("words");
    const hasField = !words.hidden;
    words.hidden = true;
    say("line", "");
    coin.hidden = false;
    coin.disabled = part("link").disabled = true;
    document.body.className = "turning";
    const reply = await ask(method, path, body);
    document.body.className = "";
    coin.disabled = part("link").disabled = false;
    say("open", button);
    words.hidden = !hasField;
    if (reply.view) {
      draw(reply);
    } else {
      refuse(reply);
      if (reply.temporary && !button && !hasField) {
        say("open", "↻");
        again = [method, path];
      }
    }
    if (reply.answer) tell("opened", { answer: reply.answer, amount_fen: reply.amount_fen || 0 });
  }

  document.documentElement.lang = language;
  say("sender", card.get("sender"));
  say("greeting", card.get("greeting"));
  draw(Object.assign({}, ...onCard.map((name) => ({ [name]: card.get(name) }))));
  part("open").addEventListener("click", () => work(...again));
  part("words").addEventListener("submit", (event) => {
    event.preventDefault();
    const words = part("said").value;
    part("said").value = "";
    if (words.trim()) work("POST", "say", { words });
  });
  part("link").addEventListener("click", () => work("GET", "result"));
  for (const name of offers) part(name).addEventListener("click", () => tell(name));
  addEventListener("hashchange", () => location.reload()); // another packet in the same WebView
  if (!link) refuse({ code: "bad_link" });
  else if (card.get("view") === "result") work("GET", "result");
})();
