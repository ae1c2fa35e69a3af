/** Login tokens: `user.issued.expiry.key-id.mac`, or without the time of issue in version 1. */

import { fromHex, hmac } from "./sha256.js";
import { MalformedToken } from "./errors.js";
import type { Login } from "./messages.js";

export class Token {
  private constructor(
    readonly userId: number,
    readonly issuedAtS: number,
    readonly expiresAtS: number,
    private readonly keyId: string,
    private readonly mac: Uint8Array,
  ) {}

  /** Throws MalformedToken; only the server can tell whether it is genuine. */
  static parse(text: string): Token {
    const found = /^(\d{1,16})\.(?:(\d{1,16})\.)?(\d{1,16})\.([^.]+)\.([0-9a-f]{64})$/.exec(text.trim());
    if (found === null) throw new MalformedToken();
    const [, user, issued, expiry, keyId, mac] = found;
    return new Token(Number(user), Number(issued ?? 0), Number(expiry), keyId!, fromHex(mac!));
  }

  /** The login on the connection with this nonce. The secret part of the token stays here: it signs the nonce. */
  login(nonce: Uint8Array, features: readonly string[]): Omit<Login, "kind" | "seq"> {
    return {
      user_id: this.userId,
      expires_at_s: this.expiresAtS,
      key_id: this.keyId,
      proof: hmac(this.mac, nonce),
      features: [...features],
      issued_at_s: this.issuedAtS,
    };
  }
}
