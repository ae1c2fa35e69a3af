/** Requests on wallet, cards and passwords: `client.cards`. A key of the app's own keeps its promise across tabs. */

import type { Client } from "./client.js";
import type { ReplyOf } from "./messages.js";

export class CardRequests {
  constructor(private readonly client: Client) {}

  /** My balance, and what is arriving. */
  wallet(): Promise<ReplyOf<"GetBalance">> {
    return this.client.ask("GetBalance", {});
  }

  /** My cards, and what I can pay with. */
  all(): Promise<ReplyOf<"GetCards">> {
    return this.client.ask("GetCards", {});
  }

  /** Offer a card: its bank sends a code. Not repeated. */
  bind(number: string, holder: string, phone: string): Promise<ReplyOf<"BindCard">> {
    return this.client.ask("BindCard", { number, holder, phone });
  }

  /** Confirm a card with the code; `password`: a new one, or the present one. Not repeated. */
  async confirm(challengeId: bigint, code: string, password: string): Promise<ReplyOf<"ConfirmCard">["card"]> {
    return (await this.client.ask("ConfirmCard", { challenge_id: challengeId, code, password })).card;
  }

  /** Another code. Not repeated. */
  sendCodeAgain(challengeId: bigint): Promise<ReplyOf<"SendCodeAgain">> {
    return this.client.ask("SendCodeAgain", { challenge_id: challengeId });
  }

  async unbind(cardId: bigint, password: string): Promise<void> {
    await this.client.ask("UnbindCard", { card_id: cardId, password });
  }

  async setPassword(password: string, newPassword: string): Promise<void> {
    await this.client.ask("SetPassword", { password, new_password: newPassword });
  }

  askPasswordReset(cardId: bigint): Promise<ReplyOf<"AskPasswordReset">> {
    return this.client.ask("AskPasswordReset", { card_id: cardId });
  }

  async resetPassword(challengeId: bigint, code: string, newPassword: string): Promise<void> {
    await this.client.ask("ResetPassword", { challenge_id: challengeId, code, new_password: newPassword });
  }

  /** Money from a card into the wallet. */
  topUp(cardId: bigint, amountFen: number, password: string, key?: string): Promise<ReplyOf<"TopUpByCard">> {
    const fields = { key: "", card_id: cardId, amount_fen: amountFen, password };
    return this.client.askWithKey("TopUpByCard", fields, key);
  }

  /** Money from the wallet to a card. */
  withdraw(cardId: bigint, amountFen: number, password: string, key?: string): Promise<ReplyOf<"WithdrawToCard">> {
    const fields = { key: "", card_id: cardId, amount_fen: amountFen, password };
    return this.client.askWithKey("WithdrawToCard", fields, key);
  }

  /** Money to another user. */
  transfer(
    userId: number, amountFen: number, text: string, password = "", key?: string,
  ): Promise<ReplyOf<"Transfer">> {
    const fields = { key: "", user_id: userId, amount_fen: amountFen, text, password };
    return this.client.askWithKey("Transfer", fields, key);
  }
}
