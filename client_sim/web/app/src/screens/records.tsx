/** Red packets by year: received and sent, with their sums. */

import { type RecordLine, type RecordsShown } from "@hongbao/sdk";
import { useRef, useState } from "preact/hooks";
import { Crown } from "../parts/icons.js";
import { Big, Page, Ghosts } from "../parts/page.js";
import type { Session } from "../state/session.js";
import { kindText } from "../state/texts.js";
import { useBusy, useLoad, useView } from "../view.js";

type Direction = "received" | "sent";

function nameOf(session: Session, line: RecordLine): string {
  if (line.name) return line.name;
  const group = session.model.conversations.get(line.user_id);
  return group === undefined ? String(line.user_id) : session.titleOf(group);
}

function RecordRow({ line, direction }: { line: RecordLine; direction: Direction }) {
  const { session, nav } = useView();
  const isReceived = direction === "received";
  const title = isReceived ? nameOf(session, line) : `${kindText(session.language, line.packet_kind)} · ${nameOf(session, line)}`;
  return (
    <li>
      <button type="button" class="record" onClick={() => nav.push({ at: "result", packetId: line.packet_id })}>
        <span class="record-title">{title}</span>
        <span class="record-amount">{session.amount(line.amount_fen)}</span>
        <span class="record-when">{session.when(line.at_ms)}</span>
        <span class="record-more">
          {line.is_best && <span class="claim-mark"><Crown /> {session.t("best")}</span>}
          {!isReceived && session.t("opened_of", { opened: line.opened, shares: line.shares })}
        </span>
      </button>
    </li>
  );
}

export function RecordsPage() {
  const { session } = useView();
  const [direction, setDirection] = useState<Direction>("received");
  const [year, setYear] = useState(0);
  const [shown, setShown] = useState<RecordsShown>();
  const [lines, setLines] = useState<RecordLine[]>([]);
  const [isBusy, run] = useBusy();
  const wanted = useRef("");
  wanted.current = `${direction} ${year}`;
  useLoad(async () => {
    const asked = wanted.current;
    const found = await session.client.patiently(() => session.client.packets.records(direction, year));
    if (asked !== wanted.current) return;
    setShown(found);
    setLines(found.lines);
  }, [direction, year]);
  const more = () => run(async () => {
    const last = lines.at(-1)!;
    const found = await session.client.packets.records(direction, shown!.year, last.at_ms, last.packet_id);
    setShown(found);
    setLines([...lines, ...found.lines]);
  });
  const years = shown?.years.length ? shown.years : shown ? [shown.year] : [];
  return (
    <Page title={session.t("records")} kind="records">
      <div class="tabs" role="tablist">
        {(["received", "sent"] as const).map((one) => (
          <button key={one} type="button" role="tab" aria-selected={one === direction} onClick={() => setDirection(one)}>{session.t(one)}</button>
        ))}
      </div>
      {shown !== undefined && (
        <div class="records-sum">
          <select aria-label={session.t("choose_year")} value={shown.year} onChange={(event) => setYear(Number(event.currentTarget.value))}>
            {years.map((one) => <option key={one} value={one}>{session.t("year", { year: one })}</option>)}
          </select>
          <p class="records-name">{session.model.nameOf(session.model.userId)}</p>
          <Big fen={shown.total_fen} kind="purse-amount" />
          <p>
            {session.t(direction === "received" ? "count_received" : "count_sent", { count: shown.count })}
            {direction === "received" && ` · ${session.t("best_lucks", { count: shown.best_lucks })}`}
          </p>
        </div>
      )}
      {shown === undefined && <Ghosts />}
      <ul class="list">{lines.map((line) => <RecordRow key={`${line.packet_id}`} line={line} direction={direction} />)}</ul>
      {shown !== undefined && !lines.length && <p class="empty">{session.t("no_records")}</p>}
      {shown?.more && <button type="button" class="plain-button" disabled={isBusy} onClick={more}>{session.t("more")}</button>}
    </Page>
  );
}
