/**
 * The open page: drawn at once from what the message carries, while the tap asks whether opening still makes sense. The
 * coin turns while the open runs.
 */

import { type OpenPageShown, sleep } from "@hongbao/sdk";
import { useEffect, useRef, useState } from "preact/hooks";
import { Avatar, Sheet } from "../parts/page.js";
import { isForOthers, type Packet, type PacketState } from "../state/model.js";
import { useView } from "../view.js";

const STATES: Record<string, PacketState> = { gone: "gone", expired: "expired" };

export function OpenSheet({ packet, page: first }: { packet: Packet; page?: OpenPageShown }) {
  const { session, nav } = useView();
  const { client, language } = session;
  const [page, setPage] = useState<OpenPageShown>();
  const [line, setLine] = useState("");
  const [words, setWords] = useState(session.words.get(packet.id) ?? "");
  const [isTurning, setTurning] = useState(false);
  const isShown = useRef(true);
  const input = useRef<HTMLInputElement>(null);
  const asking = useRef<Promise<OpenPageShown | undefined>>();

  /** The tap: a grab, and the page. A busy packet is asked for again. */
  const tap = async (): Promise<OpenPageShown | undefined> => {
    try {
      let shown = await client.patiently(() => client.packets.openPage(packet.id, language));
      while (shown.answer === "busy" && isShown.current) {
        await sleep(shown.retry_after_ms);
        shown = await client.patiently(() => client.packets.openPage(packet.id, language));
      }
      return shown;
    } catch (error) {
      setLine(session.why(error));
      return undefined;
    }
  };

  const take = (shown: OpenPageShown | undefined) => {
    if (shown === undefined || !isShown.current) return;
    if (shown.result !== null) {
      session.takeResult(packet.id, shown.result);
      nav.replace({ at: "result", packetId: packet.id, packet, page: shown.result });
      return;
    }
    const state = STATES[shown.view];
    if (state !== undefined) session.movePacket(packet.id, state);
    setPage(shown);
    setLine(shown.view ? shown.line : session.t("refused_not_allowed"));
  };

  useEffect(() => {
    asking.current = first === undefined ? tap() : Promise.resolve(first); // of a friend's link it is there already
    void asking.current.then(take);
    return () => (isShown.current = false) as unknown as void;
  }, []);

  /** One thing at a time; the coin turns meanwhile. */
  const busily = async (what: () => Promise<void>) => {
    if (isTurning) return;
    setTurning(true);
    setLine("");
    try {
      await what();
    } catch (error) {
      setLine(session.why(error));
      input.current?.select(); // wrong words are typed over, or corrected
    } finally {
      if (isShown.current) setTurning(false);
    }
  };

  const unseal = async (shown: OpenPageShown | undefined) => {
    const opened = await client.packets.open(packet.id, shown?.ticket ?? 0n);
    if (opened.answer === "won") session.arrives(opened.amount_fen);
    if (opened.answer === "won" || opened.answer === "claimed") {
      session.movePacket(packet.id, "claimed", opened.amount_fen);
      if (isShown.current) nav.replace({ at: "result", packetId: packet.id, packet });
      return;
    }
    if (opened.answer in STATES) session.movePacket(packet.id, STATES[opened.answer]!);
    if (opened.answer === "busy") setLine(session.t("busy"));
    else take(await (asking.current = tap()));
  };

  const open = () => busily(async () => {
    const shown = await asking.current; // a fast finger comes before the ticket
    if (shown === undefined || shown.view === "open") await unseal(shown);
  });

  /** Say the words; if they are right the packet is opened at once. */
  const say = (event: Event) => {
    event.preventDefault();
    if (!words.trim()) return;
    void busily(async () => {
      await client.packets.sayWords(packet.id, words.trim());
      const shown = await (asking.current = tap());
      take(shown);
      if (shown?.view === "open") await unseal(shown);
    });
  };

  const sender = session.model.nameOf(packet.senderId);
  // until the answer is here, the page is what the message tells
  const isOthers = isForOthers(packet, session.model.userId);
  const likely = packet.state !== "open" || isOthers ? "" : packet.kind === "password" ? "words" : "open";
  const view = page?.view ?? likely;
  const asksWords = view === "words";
  useEffect(() => {
    if (asksWords) input.current?.focus({ preventScroll: true });
  }, [asksWords]);
  const button = page?.button || session.t(asksWords ? "say_words" : "unseal");
  const names = page?.for_names ?? (isOthers ? packet.forUserIds.map((id) => session.model.nameOf(id)) : []);
  const told = line || (asksWords ? session.t("say_words_line") : "");
  return (
    <Sheet title={session.t("from", { name: sender })} kind="open" hasTitle={false}>
      <div class={isTurning ? "open-card turning" : "open-card"}>
        <div class="open-flap">
          <p class="open-sender">
            <Avatar id={packet.senderId} name={sender} size={28} />
            <span>{session.t("sent_by", { name: sender })}</span>
          </p>
          {line && !asksWords ? null : <p class="open-greeting">{packet.greeting || session.t("default_greeting")}</p>}
          <p class={asksWords ? "open-line small" : "open-line"} role="status">{isTurning ? <span class="unseen">{session.t("unsealing")}</span> : told}</p>
          {names.length > 0 && <p class="open-names">{names.join(" · ")}</p>}
        </div>
        {view === "open" && (
          <button type="button" class={button.length > 1 ? "coin long" : "coin"} aria-label={session.t("unseal")}
            aria-disabled={isTurning} onClick={() => void open()}>
            <span aria-hidden="true">{button}</span>
          </button>
        )}
        {asksWords && (
          <form class="open-words" onSubmit={say}>
            <input ref={input} value={words} aria-label={session.t("words_hint")} placeholder={session.t("words_hint")} autocomplete="off"
              onInput={(event) => setWords(event.currentTarget.value)} />
            <button type="submit" class="gold-button" disabled={isTurning}>{button}</button>
          </form>
        )}
        {page?.link && (
          <button type="button" class="open-link" onClick={() => nav.replace({ at: "result", packetId: packet.id, packet })}>
            {page.link}
          </button>
        )}
      </div>
    </Sheet>
  );
}
