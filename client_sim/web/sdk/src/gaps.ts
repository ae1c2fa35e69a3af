/**
 * Which posts of which streams are missing. Pure: posts and pages come in, posts to hand on come out.
 *
 * The posts of a stream are numbered 1, 2, 3, … without a gap. A post whose number is not the next one shows that
 * posts were missed: the stream lags until pages have filled the gap. A post with a known number is a repeat and is
 * dropped. A position beyond the end of a stream, as after the restore of a backup, lags too: the page says where the
 * stream ends, and it goes on there.
 */

import type { CaughtUp, Post, Reminder, Welcome } from "./messages.js";

export type Numbered = Post | Reminder;

/** `last` was handed on; `newest` is the highest number known to exist. The stream lags while they differ. */
interface Stream {
  last: number;
  newest: number;
}

export class StreamGaps {
  private readonly streams = new Map<bigint, Stream>();

  /** `positions`: the number of the last post that the app has, by stream. */
  constructor(positions: Iterable<readonly [bigint, number]> = []) {
    for (const [streamId, last] of positions) this.streams.set(streamId, { last, newest: last });
  }

  /** The number of the last post handed on, by stream. */
  get positions(): Map<bigint, number> {
    return new Map([...this.streams].map(([streamId, stream]) => [streamId, stream.last]));
  }

  /** The streams with posts that were not handed on, each with the number of the last post that was. */
  lagging(): Map<bigint, number> {
    const behind = [...this.streams].filter(([, stream]) => stream.last !== stream.newest);
    return new Map(behind.map(([streamId, stream]) => [streamId, stream.last]));
  }

  /** Follow a stream from here. One that is followed already has at least this many posts. */
  follow(streamId: bigint, lastMessage: number): void {
    const stream = this.streams.get(streamId);
    if (stream === undefined) this.streams.set(streamId, { last: lastMessage, newest: lastMessage });
    else stream.newest = Math.max(stream.newest, lastMessage);
  }

  /** Do not follow a stream any longer. */
  forget(streamId: bigint): void {
    this.streams.delete(streamId);
  }

  /** A login lists this user's streams and their last posts. Other streams are not followed any longer. */
  welcomed(welcome: Pick<Welcome, "user_id" | "places">): void {
    const listed = new Map([[BigInt(welcome.user_id), 0]]); // the inbox exists even if it is empty
    for (const place of welcome.places) listed.set(place.stream_id, place.last_message);
    for (const streamId of [...this.streams.keys()]) if (!listed.has(streamId)) this.streams.delete(streamId);
    for (const [streamId, lastMessage] of listed) {
      this.follow(streamId, lastMessage);
      const stream = this.streams.get(streamId)!;
      if (stream.last > lastMessage) stream.newest = lastMessage;
    }
  }

  /** Whether a pushed post is the next of its stream, to be handed on. If not: a repeat, or after a gap. */
  pushed(post: Numbered): boolean {
    const stream = this.streams.get(post.stream_id);
    if (stream === undefined) {
      // joined on another device, or the reply to a join has not arrived yet
      this.streams.set(post.stream_id, { last: post.message, newest: post.message });
      return true;
    }
    const isNext = stream.last === stream.newest && post.message === stream.last + 1;
    stream.newest = Math.max(stream.newest, post.message);
    if (isNext) stream.last = post.message;
    return isNext;
  }

  /** The new posts of a page. After a reload there are none, and the stream goes on where the page says. */
  caughtUp(page: CaughtUp): Numbered[] {
    const stream = this.streams.get(page.stream_id);
    if (stream === undefined) return [];
    stream.newest = Math.max(stream.newest, page.last_message);
    if (isReload(page, stream.last)) {
      stream.last = page.last_message;
      return [];
    }
    const fresh = (page.messages as Numbered[]).filter((post) => post.message > stream.last);
    if (fresh.length) stream.last = fresh.at(-1)!.message;
    // what came before this user joined (again) is not theirs
    else if (!page.messages.length) stream.last = Math.max(stream.last, page.last_message);
    return fresh;
  }
}

/** The posts behind number `after` cannot be had: they are too many, or the stream ends before that number. */
export function isReload(page: CaughtUp, after: number): boolean {
  return page.reload || page.last_message < after;
}
