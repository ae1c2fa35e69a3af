/** The list of chats: the newest first, with the latest line of each; above it the wallet. */

import { useEffect } from "preact/hooks";
import { Avatar, Offline } from "../parts/page.js";
import { Envelope, Person, Purse } from "../parts/icons.js";
import type { Conversation, Entry } from "../state/model.js";
import type { Session } from "../state/session.js";
import * as times from "../state/times.js";
import { useView } from "../view.js";

/** What the newest entry says, in one line. */
function preview(session: Session, entry: Entry | undefined): string {
  switch (entry?.type) {
    case "said":
      return `${session.model.nameOf(entry.senderId)}: ${entry.text}`;
    case "card":
      return session.t("preview_packet", { greeting: entry.packet.greeting || session.t("default_greeting") });
    case "turn":
      return session.t("turn", { name: session.model.nameOf(entry.userId) });
    case "notice":
      return noticeText(session, entry);
    default:
      return "";
  }
}

export function noticeText(session: Session, notice: Extract<Entry, { type: "notice" }>): string {
  const name = session.model.nameOf(notice.userId);
  const senderId = session.model.packets.get(notice.packetId)?.senderId; // not known of a packet long ago
  const packet = senderId === undefined ? session.t("packet") : session.t("sent_by", { name: session.model.nameOf(senderId) });
  return session.t(`notice_${notice.text}`, { name, packet, amount: session.amount(notice.amountFen) });
}

function ChatRow({ conversation }: { conversation: Conversation }) {
  const { session, nav } = useView();
  const { streamId, unread } = conversation;
  const title = session.titleOf(conversation);
  const isInbox = streamId === session.model.inboxId;
  const draft = streamId === session.model.currentId ? "" : conversation.draft.trim();
  const avatarId = conversation.isOneToOne ? conversation.ownerId : streamId;
  return (
    <li>
      <button type="button" class={streamId === session.model.currentId ? "chat-row current" : "chat-row"}
        onClick={() => nav.only({ at: "chat", streamId })}>
        <span class="chat-face">
          {isInbox ? <span class="avatar inbox"><Envelope size={30} /></span> : <Avatar id={avatarId} name={title} size={48} />}
          {unread > 0 && (
            <span class="badge"><span aria-hidden="true">{unread > 99 ? "99+" : unread}</span>
              <span class="unseen">{session.t("unread", { count: unread })}</span></span>
          )}
        </span>
        <span class="chat-lines">
          <span class="chat-title">{title}</span>
          <span class="chat-when">{times.short(session.language, conversation.lastAtMs, Date.now())}</span>
          <span class="chat-preview">
            {draft ? <><span class="danger">{session.t("draft")}</span> {draft}</> : preview(session, conversation.entries.at(-1))}
          </span>
        </span>
      </button>
    </li>
  );
}

export function Chats() {
  const { session, nav } = useView();
  const listed = session.model.listed();
  const isOnTop = !nav.stack.length;
  useEffect(() => {
    if (isOnTop && session.status === "online") void session.quietly(() => session.learnCampaigns()); // one may be over
  }, [isOnTop]);
  return (
    <section class="page" aria-label={session.t("chats")}>
      <header class="bar home-bar">
        <button type="button" class="bar-button" aria-label={session.t("me")} onClick={() => nav.push({ at: "me" })}>
          <Person />
        </button>
        <h1>{session.status === "connecting" ? session.t("connecting") : session.t("app")}</h1>
        <button type="button" class="bar-button" aria-label={session.t("wallet")} onClick={() => nav.push({ at: "wallet" })}>
          <Purse />
        </button>
      </header>
      <Offline />
      {session.status === "ended" && <p class="offline" role="status">{session.endText}</p>}
      <div class="page-body">
        {session.campaigns.length > 0 && (
          <button type="button" class={session.campaigns.some((one) => one.highlighted) ? "shake-entry bright" : "shake-entry"}
            onClick={() => nav.push({ at: "shake" })}>
            <Envelope size={26} /> {session.t("shake")} · {session.campaigns[0]!.name}
          </button>
        )}
        <ul class="chats">
          {listed.map((one) => <ChatRow key={String(one.streamId)} conversation={one} />)}
        </ul>
        {!listed.length && session.status !== "connecting" && <p class="empty">{session.t("no_chats")}</p>}
      </div>
    </section>
  );
}
