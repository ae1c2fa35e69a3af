// Keeps the page for times without a network. Nothing else is kept: money and messages come over the socket.
"use strict";
const KEPT = "hongbao-1";
const PATIENCE_MS = 300; // for the network, when there is a page in the cache: it is fresh the next time

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((kept) => kept.addAll(["./", "icon.svg", "app.webmanifest"])));
  self.skipWaiting();
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// The name of a page in the cache: one for each, whatever stands behind its "?".
const nameOf = (request) => request.url.split(/[?#]/)[0];

async function fresh(request, kept) {
  const response = await fetch(request);
  if (response.ok) await (await caches.open(KEPT)).put(nameOf(request), response.clone()).catch(() => {});
  // a proxy answers for a server that is away
  return response.status >= 500 && kept !== undefined ? kept : response;
}

async function answer(event) {
  const kept = await caches.match(nameOf(event.request));
  const asked = fresh(event.request, kept?.clone());
  if (kept === undefined) return asked;
  event.waitUntil(asked.catch(() => {})); // the next start finds it
  const late = new Promise((done) => setTimeout(done, PATIENCE_MS, kept));
  return Promise.race([asked.catch(() => kept), late]);
}

self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && new URL(event.request.url).origin === location.origin) {
    event.respondWith(answer(event));
  }
});
