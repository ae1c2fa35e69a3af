/** The worker that keeps the page for times without a network; only pages over https or on localhost may have one. */

interface Policy {
  createScriptURL(url: string): unknown;
}

export function keepPage(): void {
  if (!("serviceWorker" in navigator)) return;
  const factory = (globalThis as { trustedTypes?: { createPolicy(name: string, rules: Policy): Policy } }).trustedTypes;
  const policy = factory?.createPolicy("hongbao", { createScriptURL: (url) => url });
  const url = (policy?.createScriptURL("sw.js") ?? "sw.js") as string;
  navigator.serviceWorker.register(url).catch(() => {}); // without it the app works, but not offline
}
