/** hongbao for TypeScript: `Client` and what its methods take, answer and throw. */

export { Backoff, patiently, sleep } from "./backoff.js";
export { Client, ClientEvent, type Events, type Options } from "./client.js";
export { Codec } from "./codec.js";
export * from "./errors.js";
export * from "./fairness.js";
export type { MissedChanges, Push, Reloaded } from "./feed.js";
export { isReload, StreamGaps } from "./gaps.js";
export { IdempotencyKeys, type KeyStorage } from "./keys.js";
export { MalformedDeck, poolKind, RevealedPool } from "./pool.js";
export { MalformedBytes, pack, unpack } from "./messagepack.js";
export * from "./messages.js";
export * as money from "./money.js";
export type { Language } from "./money.js";
export type { SendOptions } from "./packet_requests.js";
export { KeptSeeds, type Verdict } from "./seeds.js";
export { fromHex, hmac, sha256, toHex } from "./sha256.js";
export { Told } from "./told.js";
export { Token } from "./token.js";
