/**
 * The open page: drawn at once from what the message carries, while the tap asks whether opening still makes sense. The
 * coin turns while the open runs.
 */

import { isRefused, type OpenPageShown, sleep } from "@hongbao/sdk";
import { useEffect, useRef, useState } from "preact/hooks";
import { Avatar, Sheet } from "../parts/page.js";
import type { Packet, PacketState } from "../state/model.js";
import { useView } from "../view.js";

const STATES: Record<string, PacketState> = { gone: "gone", expired: "expired" };

export function OpenSheet({ packet, page: first }: { packet: Packet; page?: OpenPageShown }) {
  const { session, nav } = useView();
  const { client, language } = session;
  const [page, setPage] = useState<OpenPageShown>();
  const [line, setLine] = useState("");
  const [words, setWords] = useState("");
  const [isTurning, setTurning] = useState(false);
  const isShown = useRef(true);
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
    setLine(shown.view ? shown.line : session.t("not_for_you"));
  };

  useEffect(() => {
    asking.current = first === undefined ? tap() : Promise.resolve(first); // of a friend's link it is there already
    void asking.current.then(take);
    return () => (isShown.current = false) as unknown as void;
  }, []);

  const open = async () => {
    if (isTurning) return;
    setTurning(true);
    setLine("");
    try {
      const shown = await asking.current; // a fast finger comes before the ticket
      if (shown !== undefined && shown.view !== "open") return;
      const opened = await client.packets.open(packet.id, shown?.ticket ?? 0n);
      if (opened.answer === "won") session.takeWin(packet.id, opened.amount_fen);
      if (opened.answer === "won" || opened.answer === "claimed") {
        session.movePacket(packet.id, "claimed", opened.amount_fen);
        if (isShown.current) nav.replace({ at: "result", packetId: packet.id, packet });
        return;
      }
      if (opened.answer in STATES) session.movePacket(packet.id, STATES[opened.answer]!);
      if (opened.answer === "busy") setLine(session.t("busy"));
      else take(await (asking.current = tap()));
    } catch (error) {
      setLine(session.why(error));
    } finally {
      if (isShown.current) setTurning(false);
    }
  };

  const say = async (event: Event) => {
    event.preventDefault();
    if (!words.trim() || isTurning) return;
    setTurning(true);
    try {
      await client.packets.sayWords(packet.id, words.trim());
      take(await (asking.current = tap()));
    } catch (error) {
      setLine(session.why(error));
      if (isRefused(error, "words_wrong")) setWords("");
    } finally {
      if (isShown.current) setTurning(false);
    }
  };

  const sender = session.model.nameOf(packet.senderId);
  const isFresh = packet.state === "open" && (page === undefined || page.view === "open");
  const asksWords = page?.view === "words";
  const button = page?.button || session.t("unseal");
  return (
    <Sheet title={session.t("from", { name: sender })} kind="open" hasTitle={false}>
      <div class={isTurning ? "open-card turning" : "open-card"}>
        <div class="open-flap">
          <p class="open-sender">
            <Avatar id={packet.senderId} name={sender} size={28} />
            <span>{session.t("sent_by", { name: sender })}</span>
          </p>
          {line && !asksWords ? null : <p class="open-greeting">{packet.greeting || session.t("default_greeting")}</p>}
          <p class="open-line" role="status">{isTurning ? <span class="unseen">{session.t("unsealing")}</span> : line}</p>
          {page !== undefined && page.for_names.length > 0 && <p class="open-names">{page.for_names.join(" · ")}</p>}
        </div>
        {isFresh && (
          <button type="button" class={button.length > 1 ? "coin long" : "coin"} aria-label={session.t("unseal")}
            aria-disabled={isTurning} onClick={() => void open()}>
            <span aria-hidden="true">{button}</span>
          </button>
        )}
        {asksWords && (
          <form class="open-words" onSubmit={(event) => void say(event)}>
            <input value={words} aria-label={session.t("words_hint")} placeholder={session.t("words_hint")} autocomplete="off"
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
