/** The result page, drawn as the server computed it: my amount, the summary, and the list, which grows while others open. */

import type { ResultLine, ResultPageBody } from "@hongbao/sdk";
import { useEffect, useRef, useState } from "preact/hooks";
import { Crown } from "../parts/icons.js";
import { Avatar, Page } from "../parts/page.js";
import type { Packet } from "../state/model.js";
import type { Place } from "../state/nav.js";
import { useView } from "../view.js";

const REFRESH_MS = 300; // how soon the texts follow the list
const END_PX = 300;

interface ResultProps {
  packetId: bigint;
  packet?: Packet | undefined;
  page?: ResultPageBody | undefined;
  campaignId?: bigint | undefined;
}

/** The page and its claims; more are pushed while it is shown. */
function useResult(packetId: bigint, first: ResultPageBody | undefined) {
  const { session, nav } = useView();
  const { packets } = session.client;
  const [page, setPage] = useState(first);
  const [line, setLine] = useState("");
  const [, draw] = useState(0);
  const claims = useRef(new Map<number, ResultLine>(first?.claims.map((one) => [one.index, one]))).current;
  const state = useRef({ hasMore: first?.more ?? false, isFetching: false, isShown: true, shares: first?.shares ?? 0 }).current;

  const add = (found: ResultLine[]) => {
    found.forEach((one) => claims.set(one.index, one));
    draw((count) => count + 1);
  };
  const fetch = async () => {
    try {
      const found = await session.client.patiently(() => packets.result(packetId, session.language, 0, true));
      if (!state.isShown) return;
      if (!claims.size) state.hasMore = found.more;
      session.takeResult(packetId, found);
      state.shares = found.shares;
      setPage(found);
      setLine("");
      add(found.claims);
    } catch (error) {
      if (state.isShown) setLine(session.why(error));
    }
  };
  const older = async () => {
    if (!state.hasMore || state.isFetching || !claims.size) return;
    state.isFetching = true;
    await session.quietly(async () => {
      const found = await packets.result(packetId, session.language, Math.min(...claims.keys()));
      state.hasMore = found.more;
      add(found.claims);
    });
    state.isFetching = false;
  };

  useEffect(() => {
    state.isShown = true; // again in another language
    let timer: ReturnType<typeof setTimeout> | undefined;
    const soon = () => {
      if (timer !== undefined) return;
      timer = setTimeout(() => ((timer = undefined), void fetch()), REFRESH_MS);
    };
    const { client } = session;
    const off = [
      client.on("ResultUpdate", (push) => {
        if (push.packet_id !== packetId) return;
        add(push.claims);
        setPage((shown) => shown && { ...shown, opened: push.opened, summary: push.summary || shown.summary });
        if (push.opened >= state.shares) soon();
      }),
      client.on("PacketFinished", (push) => push.packet_id === packetId && soon()),
      client.on("PacketRefunded", (push) => push.packet_id === packetId && soon()),
      client.on("RelayPosted", (push) => push.packet_id === packetId && soon()),
      client.on("BalanceChanged", (push) => push.reason === "claim" && soon()), // arriving, then arrived
      client.on("online", () => void fetch()), // the new connection has no subscription yet
    ];
    void fetch();
    return () => {
      state.isShown = false;
      clearTimeout(timer);
      off.forEach((stop) => stop());
      const isBelow = nav.stack.some((one) => one.at === "result" && one.packetId === packetId); // the same page, once more
      if (!isBelow) void session.quietly(() => packets.stopWatching(packetId));
    };
  }, [session.language]);
  return { page, line, lines: [...claims.values()].sort((one, other) => other.index - one.index), older };
}

function ClaimRow({ line, mark }: { line: ResultLine; mark: string }) {
  const { session } = useView();
  const name = line.name || String(line.user_id);
  return (
    <li class="claim">
      <Avatar id={line.user_id} name={name} />
      <span class="claim-name">{name}</span>
      <span class="claim-when">{line.when}</span>
      <span class="claim-amount">{session.amount(line.amount_fen)}</span>
      {mark && <span class="claim-mark"><Crown /> {mark}</span>}
    </li>
  );
}

export function ResultPage({ packetId, packet, page: first, campaignId }: ResultProps) {
  const { session, nav } = useView();
  const { page, line, lines, older } = useResult(packetId, first);
  const senderId = page?.sender_id ?? packet?.senderId ?? 0;
  const sender = page?.sender_name || session.model.nameOf(senderId);
  const amount = page?.amount || (packet?.amountFen ? session.amount(packet.amountFen) : "");
  const found = /^(\D*)([\d.,]+)(.*)$/.exec(amount);
  const isOver = page?.state === "finished" || page?.state === "refunded";
  // a share of a campaign is proved with the campaign
  const proof: Place | undefined = campaignId !== undefined
    ? { at: "proof", packetId: campaignId, isCampaign: true }
    : isOver && page.packet_kind !== "shake" ? { at: "proof", packetId } : undefined;
  const scrolled = (event: Event) => {
    const { scrollTop, scrollHeight, clientHeight } = event.currentTarget as HTMLElement;
    if (scrollHeight - scrollTop - clientHeight < END_PX) void older();
  };
  const turn = page?.turn && page.turn_user_id !== session.model.userId ? `${page.turn_name || page.turn_user_id} · ${page.turn}` : page?.turn;
  return (
    <Page title={session.t("from", { name: sender })} kind="result">
      <div class="result-scroll" onScroll={scrolled} tabIndex={0}>
        <div class="result-band" aria-hidden="true" />
        <div class="result-head">
          <p class="result-sender"><Avatar id={senderId} name={sender} size={26} /> {session.t("sent_by", { name: sender })}</p>
          <p class="result-greeting">{page?.greeting || packet?.greeting || session.t("default_greeting")}</p>
          {found && (
            <p class="result-amount" role="status"><small>{found[1]}</small>{found[2]}<small>{found[3]}</small></p>
          )}
          {page?.note && (
            <button type="button" class="result-note" onClick={() => nav.push({ at: "wallet" })}>{page.note}</button>
          )}
          {line && <p class="result-line" role="status">{line}</p>}
          {turn && <p class="result-turn">{turn}</p>}
        </div>
        <p class="result-summary" role="status">{page?.summary}</p>
        {page?.ending && <p class="result-ending">{page.ending}</p>}
        {page?.shows_list && (
          <ul class="claims">
            {lines.map((one) => (
              <ClaimRow key={one.index} line={one} mark={one.index === page.best_index ? page.best_mark : ""} />
            ))}
          </ul>
        )}
        <div class="result-links">
          {page?.button && (
            <button type="button" class="link" onClick={() => nav.push({ at: "again", packetId })}>{page.button}</button>
          )}
          {page?.pass_on && (
            <button type="button" class="link" onClick={() => nav.push({ at: "pass", packetId })}>{page.pass_on}</button>
          )}
          {page?.link && <button type="button" class="link" onClick={() => nav.push({ at: "records" })}>{page.link}</button>}
          {proof && <button type="button" class="link" onClick={() => nav.push(proof)}>{session.t("proof")}</button>}
        </div>
      </div>
    </Page>
  );
}
