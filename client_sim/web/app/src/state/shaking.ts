/** A campaign that the user shakes in: what the server has told of it, and what the latest shakes were answered. Pure. */

import type { CampaignLine, CampaignShown, Shaken, WinLine } from "@hongbao/sdk";

export class Shaking {
  campaign: CampaignLine;
  texts: Record<string, string>;
  shakes = 0;
  latest: Shaken | undefined;
  win: WinLine | undefined; // the newest one
  wins = 0;
  wonFen = 0;
  restsUntilMs = 0;

  constructor(shown: CampaignShown) {
    this.campaign = shown.campaign;
    this.texts = shown.texts;
  }

  /** The server has told the campaign again. */
  show(shown: CampaignShown): void {
    this.campaign = shown.campaign;
    this.texts = shown.texts;
  }

  /** An answer to a shake; whether the number of shares left is to be asked for now. */
  take(shaken: Shaken, nowMs: number): boolean {
    this.shakes++;
    this.latest = shaken;
    if (shaken.win !== null) {
      this.win = shaken.win;
      this.wins++;
      this.wonFen += shaken.win.amount_fen;
    }
    if (shaken.result === "rest") this.restsUntilMs = nowMs + shaken.retry_after_ms;
    return this.shakes % this.campaign.ask_every === 0;
  }

  /** No further shake can win. */
  get isOver(): boolean {
    return this.campaign.state === "ended" || this.latest?.result === "ended" || this.latest?.result === "limit";
  }

  restS(nowMs: number): number {
    return Math.max(0, Math.ceil((this.restsUntilMs - nowMs) / 1000));
  }
}

const FORCE = 14; // m/s² beyond what the hand does by walking
const APART_MS = 700;

/** Finds shakes in what the motion sensor tells. */
export class MotionSense {
  private shookAt = -Infinity;

  /** Whether this is a shake: acceleration without gravity, in m/s². */
  feel(x: number, y: number, z: number, nowMs: number): boolean {
    if (Math.hypot(x, y, z) < FORCE || nowMs - this.shookAt < APART_MS) return false;
    this.shookAt = nowMs;
    return true;
  }
}
