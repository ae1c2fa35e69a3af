/** 定时红包: the packets that wait for their time, each with a button that cancels it. */

import type { ScheduledLine } from "@hongbao/sdk";
import { useState } from "preact/hooks";
import { Page } from "../parts/page.js";
import type { Session } from "../state/session.js";
import { kindText } from "../state/texts.js";
import { useBusy, useLoad, useView } from "../view.js";

const USER_ID_MAX = BigInt(Number.MAX_SAFE_INTEGER); // ids of groups are larger

/** The group or the user that a packet goes to. */
function targetName(session: Session, targetId: bigint): string {
  if (targetId <= USER_ID_MAX) return session.model.nameOf(Number(targetId));
  const found = session.model.conversations.get(targetId);
  return found === undefined ? String(targetId) : session.titleOf(found);
}

function Waiting({ line, onCancelled }: { line: ScheduledLine; onCancelled: () => void }) {
  const { session } = useView();
  const [isSure, setSure] = useState(false);
  const [isBusy, run] = useBusy();
  const names = session.namesOf(line.for_user_ids);
  const cancel = () =>
    run(async () => {
      const amountFen = await session.client.packets.cancelScheduled(line.packet_id);
      session.say(session.t("cancelled", { amount: session.amount(amountFen) }));
      onCancelled();
    });
  return (
    <li class="record">
      <span class="record-title">
        {[kindText(session.language, line.packet_kind), targetName(session, line.target_id), names && session.t("for_names", { names })].filter(Boolean).join(" · ")}
      </span>
      <span class="record-amount">{session.amount(line.total_fen)}</span>
      <span class="record-when">{session.t("sends_at", { when: session.when(line.send_at_ms) })}</span>
      <span class="record-more">{session.t("shares_count", { count: line.shares })}</span>
      <span class="record-greeting">{line.greeting || session.t("default_greeting")}</span>
      <span class="record-buttons">
        <button type="button" class="link danger" disabled={isBusy} onClick={() => (isSure ? cancel() : setSure(true))}>
          {session.t(isSure ? "cancel_sure" : "cancel_packet")}
        </button>
      </span>
    </li>
  );
}

export function ScheduledPage() {
  const { session } = useView();
  const [lines, setLines] = useState<ScheduledLine[]>();
  useLoad(async () => {
    const found = await session.client.patiently(() => session.client.packets.scheduled());
    session.learnNames(found.flatMap((line) => [...line.for_user_ids, Number(line.target_id <= USER_ID_MAX && line.target_id)]));
    setLines(found);
  });
  const without = (packetId: bigint) => setLines((known) => known?.filter((one) => one.packet_id !== packetId));
  return (
    <Page title={session.t("scheduled")} kind="scheduled" isText>
      <ul class="list">
        {lines?.map((line) => <Waiting key={String(line.packet_id)} line={line} onCancelled={() => without(line.packet_id)} />)}
      </ul>
      {lines !== undefined && <p class={lines.length ? "page-foot" : "empty"}>{session.t(lines.length ? "scheduled_hint" : "none_scheduled")}</p>}
    </Page>
  );
}
