/** From the connection to the app: posts in order, without a gap and once each; what was missed is fetched. */

import { Backoff, sleep } from "./backoff.js";
import { ClientError, Refusal } from "./errors.js";
import { isReload, type Numbered, StreamGaps } from "./gaps.js";
import type {
  AnyMessage, EntryLine, Notice, Post, PushMessage, Reminder, ReplyOf, RequestFields, RequestName, Welcome,
} from "./messages.js";
import { Told } from "./told.js";

const BACKOFF_FIRST_MS = 50;
const BACKOFF_MOST_MS = 5_000;
const NUMBERED = new Set([
  "TextPosted", "PacketPosted", "RelayPosted", "ClaimsReminder", "FinishReminder", "RefundReminder",
]);
const POSTS = new Set(["TextPosted", "PacketPosted", "RelayPosted"]);
const NOTICES = new Set(["ClaimNotice", "PacketFinished", "PacketRefunded"]);

/** The app missed more posts than the server hands out, or its position is beyond the end of the stream. The stream
 * goes on after number `last_message`. */
export interface Reloaded {
  kind: "Reloaded";
  stream_id: bigint;
  last_message: number;
}

/** Changes of the wallet while there was no connection, oldest first; the welcome told the balance by now. */
export interface MissedChanges {
  kind: "MissedChanges";
  entries: EntryLine[];
}

/** All that an app is told. */
export type Push = PushMessage | Reloaded | MissedChanges;
export type Ask = <Name extends RequestName>(name: Name, fields: RequestFields<Name>) => Promise<ReplyOf<Name>>;

export class PushFeed {
  readonly gaps: StreamGaps;
  private readonly told = new Told();
  private isCatchingUp = false;
  private isFetchingEntries = false;

  /** `tell` gets each push, in order. `balanceVersion`: of the last change of the wallet that the app has. */
  constructor(
    private readonly ask: Ask,
    private readonly tell: (push: Push) => void,
    positions: Iterable<readonly [bigint, number]> = [],
    public balanceVersion: number | undefined = undefined,
  ) {
    this.gaps = new StreamGaps(positions);
  }

  /** A login: what was missed is fetched. */
  welcomed(welcome: Welcome): void {
    this.gaps.welcomed(welcome);
    void this.catchUp();
    void this.fetchEntries(welcome.balance_version);
  }

  /** A push came. A post after a gap is not handed on: the gap is filled, and the post comes with the rest. */
  take(push: AnyMessage): void {
    if (push.kind === "RemovedFromGroup") this.gaps.forget(push.group_id);
    else if (push.kind === "AddedToGroup") this.gaps.follow(push.group_id, push.last_message);
    else if (push.kind === "BalanceChanged" && !this.isFetchingEntries) {
      this.balanceVersion = Math.max(this.balanceVersion ?? 0, push.version);
    }
    if (!NUMBERED.has(push.kind) || this.gaps.pushed(push as Numbered)) this.handOn(push as PushMessage);
    void this.catchUp();
  }

  /** All posts of a stream behind number `after`, for the app itself; Reloaded if they are too many. */
  async postsAfter(streamId: bigint, after: number): Promise<Post[] | Reloaded> {
    const posts: Post[] = [];
    for (;;) {
      const page = await this.ask("CatchUp", { stream_id: streamId, after });
      if (isReload(page, after)) return { kind: "Reloaded", stream_id: streamId, last_message: page.last_message };
      const numbered = page.messages as Numbered[];
      posts.push(...numbered.filter((post): post is Post => POSTS.has(post.kind)));
      const last = numbered.at(-1);
      if (last === undefined || last.message >= page.last_message) return posts;
      after = last.message;
    }
  }

  /** The app gets each claim, finish and refund once, live or by its reminder. */
  private handOn(push: PushMessage): void {
    if (push.kind.endsWith("Reminder")) this.told.fresh(push as Reminder).forEach(this.tell);
    if (!NOTICES.has(push.kind) || this.told.isNew(push as Notice)) this.tell(push);
  }

  /** Page after page until nothing is missing: a client that was away asks one thing at a time. */
  private async catchUp(): Promise<void> {
    if (this.isCatchingUp || !this.gaps.lagging().size) return;
    this.isCatchingUp = true;
    const backoff = new Backoff(BACKOFF_FIRST_MS, BACKOFF_MOST_MS);
    try {
      for (let lagging = this.gaps.lagging(); lagging.size; lagging = this.gaps.lagging()) {
        for (const [streamId, last] of lagging) {
          const waitMs = await this.fetchPage(streamId, last);
          if (waitMs === undefined) backoff.reset();
          else await sleep(waitMs + backoff.delayMs());
        }
      }
    } catch {
      return; // the client has ended
    } finally {
      this.isCatchingUp = false;
    }
  }

  /** Fetch one page. Undefined if it helped, otherwise the least time to wait before the next. */
  private async fetchPage(streamId: bigint, last: number): Promise<number | undefined> {
    let page: ReplyOf<"CatchUp">;
    try {
      page = await this.ask("CatchUp", { stream_id: streamId, after: last });
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      if (error instanceof Refusal && !error.temporary) this.gaps.forget(streamId); // no longer a member
      else if (!error.temporary) throw error;
      return error.retryAfterMs;
    }
    const isReloaded = isReload(page, last);
    const fresh = this.gaps.caughtUp(page);
    if (isReloaded) this.tell({ kind: "Reloaded", stream_id: streamId, last_message: page.last_message });
    fresh.forEach((post) => this.handOn(post));
    return fresh.length || isReloaded ? undefined : 0;
  }

  /** The changes of the wallet up to the version of a welcome, page after page. If the connection is lost meanwhile,
   * the next login goes on behind the last page. */
  private async fetchEntries(version: number): Promise<void> {
    this.balanceVersion ??= version;
    if (this.balanceVersion >= version || this.isFetchingEntries) return;
    this.isFetchingEntries = true;
    try {
      for (let more = true; more; ) {
        const page: ReplyOf<"GetEntries"> = await this.ask("GetEntries", { after_version: this.balanceVersion ?? 0 });
        more = page.more;
        const last = page.entries.at(-1);
        if (last === undefined) break;
        this.balanceVersion = last.version;
        this.tell({ kind: "MissedChanges", entries: page.entries });
      }
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
    } finally {
      this.isFetchingEntries = false;
    }
  }
}
