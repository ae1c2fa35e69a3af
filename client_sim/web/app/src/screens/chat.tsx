/** A chat: its messages and red packets, the line to write in, and the panel behind "+". */

import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { Envelope, More, Phone, Plus, Purse } from "../parts/icons.js";
import { LongList } from "../parts/list.js";
import { Avatar, Page } from "../parts/page.js";
import { type Card, type Conversation, type Entry, isForOthers, keyOf, type Packet } from "../state/model.js";
import type { Session } from "../state/session.js";
import { kindText } from "../state/texts.js";
import * as times from "../state/times.js";
import { PlaceContext, useBusy, useView } from "../view.js";
import { noticeText } from "./chats.js";

const NAMED_MOST = 2; // users on the card of an exclusive packet
const PAUSE_MS = 5 * 60_000; // after it the time stands above a message

/** What stands below a card: the kind, whom an exclusive packet is for, and to its sender the words that open it. */
function kindLine(session: Session, packet: Packet): string {
  const kind = kindText(session.language, packet.kind);
  const { forUserIds, shares } = packet;
  const words = session.words.get(packet.id);
  if (!forUserIds.length) return words ? session.t("words_mine", { words }) : kind;
  if (forUserIds.includes(session.model.userId) && shares === 1) return `${kind} · ${session.t("for_you")}`;
  const names = session.namesOf(forUserIds.slice(0, NAMED_MOST));
  return `${kind} · ${session.t(shares > NAMED_MOST ? "for_names_more" : "for_names", { names, count: shares })}`;
}

function PacketCard({ card }: { card: Card }) {
  const { session, nav } = useView();
  const { packet } = card;
  const isFresh = packet.state === "open";
  const isOthers = isForOthers(packet, session.model.userId) && packet.senderId !== session.model.userId;
  const line = kindLine(session, packet);
  const greeting = packet.greeting || session.t("default_greeting");
  const state = session.t(isFresh && isOthers ? "state_others" : `state_${packet.state}`);
  const tap = () => {
    if (packet.state === "claimed") nav.push({ at: "result", packetId: packet.id, packet });
    else nav.push({ at: "open", packet });
  };
  return (
    <button type="button" class={isFresh ? "packet-card" : "packet-card used"} onClick={tap} aria-label={`${line}: ${greeting}. ${state}`}>
      <span class="packet-front">
        <Envelope size={44} isOpen={packet.state === "claimed"} />
        <span class="packet-texts">
          <span class="packet-greeting">{greeting}</span>
          {(!isFresh || isOthers) && <span class="packet-state">{state}</span>}
        </span>
      </span>
      <span class="packet-kind">{line}</span>
    </button>
  );
}

const FRIENDS_LINK = /hbl_[\w-]{55}/;

/** A text; with the link of a friend there is a button that opens the packet it leads to. */
function Bubble({ text }: { text: string }) {
  const { session, nav } = useView();
  const [isBusy, run] = useBusy();
  const link = FRIENDS_LINK.exec(text)?.[0];
  if (link === undefined) return <p class="bubble">{text}</p>;
  const tap = () =>
    run(async () => {
      const page = await session.client.packets.tapLink(link, session.language);
      if (page.view) nav.push({ at: "open", packet: session.model.linked(page), page: { ...page, kind: "OpenPageShown" } });
      else session.say(session.t(page.answer === "busy" ? "busy" : "refused_not_allowed"));
    });
  return (
    <div class="bubble">
      {text.replace(link, "").trim()}
      <button type="button" class="link" disabled={isBusy} onClick={tap}>{session.t("state_open")}</button>
    </div>
  );
}

function TurnLine({ entry }: { entry: Extract<Entry, { type: "turn" }> }) {
  const { session, nav } = useView();
  if (entry.userId !== session.model.userId) {
    return <p class="grey-line">{session.t("turn", { name: session.model.nameOf(entry.userId) })}</p>;
  }
  const send = () => {
    const place = nav.top;
    if (place?.at === "chat") nav.push({ ...place, at: "send", amountFen: entry.amountFen, shares: entry.shares });
  };
  return (
    <p class="grey-line">
      <button type="button" class="link" onClick={send}>{session.t("turn_mine", { amount: session.amount(entry.amountFen) })}</button>
    </p>
  );
}

function Line({ entry, before, isGroup }: { entry: Entry; before: Entry | undefined; isGroup: boolean }) {
  const { session } = useView();
  if (entry.type === "notice") {
    return <p class="grey-line"><Envelope size={14} isOpen /> {noticeText(session, entry)}</p>;
  }
  if (entry.type === "turn") return <TurnLine entry={entry} />;
  const isMine = entry.senderId === session.model.userId;
  const name = session.model.nameOf(entry.senderId);
  return (
    <>
      {entry.atMs - (before?.atMs ?? 0) > PAUSE_MS && (
        <p class="grey-line time">{times.heading(session.language, entry.atMs, Date.now())}</p>
      )}
      <div class={isMine ? "message mine" : "message"}>
        <Avatar id={entry.senderId} name={name} />
        <div class="message-body">
          {isGroup && !isMine && <span class="message-name">{name}</span>}
          {isMine && <span class="unseen">{name}</span>}
          {entry.type === "said" ? <Bubble text={entry.text} /> : <PacketCard card={entry} />}
        </div>
      </div>
    </>
  );
}

function Panel({ conversation, onLeave }: { conversation: Conversation; onLeave: () => void }) {
  const { session, nav } = useView();
  const { streamId, isOneToOne, ownerId } = conversation;
  const isBright = session.campaigns.some((one) => one.highlighted);
  return (
    <div class="panel" onClickCapture={onLeave}>
      <button type="button" class={isBright ? "panel-button red bright" : "panel-button red"} onClick={() => nav.push({ at: "send", streamId })}>
        <span class="panel-icon"><Envelope size={34} /></span>{session.t("packet")}
      </button>
      {isOneToOne && (
        <button type="button" class="panel-button" onClick={() => nav.push({ at: "money", what: "transfer", userId: ownerId })}>
          <span class="panel-icon"><Purse /></span>{session.t("transfer")}
        </button>
      )}
      {session.campaigns.length > 0 && (
        <button type="button" class="panel-button" onClick={() => nav.push({ at: "shake" })}>
          <span class="panel-icon small-phone"><Phone /></span>{session.t("shake")}
        </button>
      )}
      <button type="button" class="panel-button" onClick={() => nav.push({ at: "wallet" })}>
        <span class="panel-icon"><Purse /></span>{session.t("wallet")}
      </button>
    </div>
  );
}

function Writing({ conversation, onWrite }: { conversation: Conversation; onWrite: () => void }) {
  const { session } = useView();
  const [text, setText] = useState(conversation.draft);
  const [hasPanel, setPanel] = useState(false);
  const [isBusy, run] = useBusy();
  const field = useRef<HTMLTextAreaElement>(null);
  const plus = useRef<HTMLButtonElement>(null);
  const triedAfter = useRef<number>(); // the newest message when a text was sent whose outcome is not known
  useEffect(() => {
    const after = triedAfter.current;
    const isMine = (one: Entry) => one.type === "said" && one.message > after! && one.senderId === session.model.userId && one.text === text.trim();
    if (after === undefined || isBusy || !conversation.entries.some(isMine)) return;
    triedAfter.current = undefined;
    type(""); // it has arrived: to send it again would say it twice
  });
  const type = (typed: string) => {
    conversation.draft = typed; // it is there again when the chat is
    setText(typed);
  };
  const send = () => {
    const said = text.trim();
    if (!said) return;
    run(async () => {
      triedAfter.current = conversation.newest;
      await session.client.say(conversation.streamId, said);
      triedAfter.current = undefined;
      type("");
      onWrite();
      field.current?.focus();
    });
  };
  /** Who comes back finds the chat, and the focus where the panel was opened. */
  const leave = () => {
    plus.current?.focus();
    setPanel(false);
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <footer class="writing">
      <div class="writing-line">
        <textarea ref={field} rows={1} value={text} aria-label={session.t("say")} placeholder={session.t("say")} enterkeyhint="send"
          onInput={(event) => type(event.currentTarget.value)} onKeyDown={pressed} onFocus={() => setPanel(false)} />
        {text.trim() ? (
          <button type="button" class="send-button" disabled={isBusy} onClick={send}>{session.t("send_text")}</button>
        ) : (
          <button type="button" ref={plus} class="bar-button" aria-label={session.t("plus")} aria-expanded={hasPanel} onClick={() => setPanel(!hasPanel)}>
            <Plus />
          </button>
        )}
      </div>
      {hasPanel && <Panel conversation={conversation} onLeave={leave} />}
    </footer>
  );
}

export function ChatPage({ streamId }: { streamId: bigint }) {
  const { session, nav } = useView();
  const conversation = session.model.conversations.get(streamId);
  const [isAtEnd, setAtEnd] = useState(true);
  const [listKey, setListKey] = useState(0); // another list begins at its end
  const isLoading = useRef(false);
  const place = useContext(PlaceContext);
  useEffect(() => {
    session.enter(streamId);
    return () => session.enter(undefined);
  }, [streamId]);
  const isGone = conversation === undefined && session.status === "online" && nav.top === place;
  useEffect(() => {
    if (isGone) nav.close(place);
  }, [isGone]);
  useEffect(() => {
    if (conversation !== undefined) void session.load(conversation);
  }, [conversation, session.status]);
  if (conversation === undefined) return <Page title={session.t("loading")}>{null}</Page>;
  const older = () => {
    if (isLoading.current || !conversation.isLoaded) return;
    isLoading.current = true;
    void session.loadOlder(conversation).finally(() => (isLoading.current = false));
  };
  const scrolled = (isThere: boolean) => {
    setAtEnd(isThere);
    session.read(conversation, isThere);
  };
  const toEnd = () => {
    scrolled(true);
    setListKey(listKey + 1);
  };
  const isInbox = streamId === session.model.inboxId;
  const isGroup = !conversation.isOneToOne && !isInbox;
  const newest = conversation.entries.at(-1);
  const members = (
    <button type="button" class="bar-button" aria-label={session.t("more")} onClick={() => nav.push({ at: "members", streamId })}>
      <More />
    </button>
  );
  return (
    <Page title={session.titleOf(conversation)} kind="chat" action={isGroup && members}
      foot={!isInbox && <Writing conversation={conversation} onWrite={toEnd} />}>
      <LongList key={listKey} items={conversation.entries} keyOf={keyOf} onTop={older} onEnd={scrolled}
        label={session.titleOf(conversation)}
        draw={(entry, before) => <Line entry={entry} before={before} isGroup={isGroup || isInbox} />} />
      {!isAtEnd && conversation.unread > 0 && (
        <button type="button" class="to-end" onClick={toEnd}>
          {session.t("new_messages", { count: conversation.unread })}
        </button>
      )}
      <p class="unseen" role="status">{isAtEnd && newest !== undefined && newest.type !== "notice" ? spoken(session, newest) : ""}</p>
    </Page>
  );
}

/** What a screen reader says of a new message. */
function spoken(session: Session, entry: Exclude<Entry, { type: "notice" }>): string {
  if (entry.type === "said") return `${session.model.nameOf(entry.senderId)}: ${entry.text}`;
  if (entry.type === "turn") return session.t("turn", { name: session.model.nameOf(entry.userId) });
  return session.t("from", { name: session.model.nameOf(entry.senderId) });
}
