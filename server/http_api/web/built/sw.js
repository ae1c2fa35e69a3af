// Keeps the page for times without a network. Nothing else is kept: money and messages come over the socket.
"use strict";
const KEPT = "hongbao-1";
const PATIENCE_MS = 300; // for the network, when there is a page in the cache: it is fresh the next time

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(KEPT).then((kept) => kept.addAll(["./", "icon.svg", "app.webmanifest"])));
  self.skipWaiting();
});

self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

async function fresh(request) {
  const response = await fetch(request);
  if (response.ok) (await caches.open(KEPT)).put(request, response.clone());
  return response;
}

async function answer(request) {
  const kept = await caches.match(request, { ignoreSearch: true });
  const asked = fresh(request);
  if (kept === undefined) return asked;
  const late = new Promise((done) => setTimeout(done, PATIENCE_MS, kept));
  return Promise.race([asked.catch(() => kept), late]);
}

self.addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && new URL(event.request.url).origin === location.origin) {
    event.respondWith(answer(event.request));
  }
});
