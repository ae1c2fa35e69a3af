/** The statement of the wallet: every change, the newest first. */

import type { StatementLine } from "@hongbao/sdk";
import { useState } from "preact/hooks";
import { Page, Ghosts } from "../parts/page.js";
import type { Session } from "../state/session.js";
import { TEXTS, type TextKey } from "../state/texts.js";
import { useBusy, useLoad, useView } from "../view.js";

function reasonText(session: Session, line: StatementLine): string {
  const key = `reason_${line.reason}`;
  const reason = key in TEXTS ? session.t(key as TextKey) : line.reason;
  const group = session.model.conversations.get(line.other_id);
  const other = line.other_name || (group === undefined ? "" : session.titleOf(group));
  return other ? `${reason} · ${other}` : reason;
}

export function StatementPage() {
  const { session } = useView();
  const [lines, setLines] = useState<StatementLine[]>();
  const [hasMore, setMore] = useState(false);
  const [isBusy, run] = useBusy();
  const fetch = async (before: number) => {
    const found = await session.client.patiently(() => session.client.packets.statement(before));
    setLines((known) => [...(before ? (known ?? []) : []), ...found.lines]);
    setMore(found.more);
  };
  useLoad(() => fetch(0));
  return (
    <Page title={session.t("statement")} kind="statement" isText>
      {lines === undefined && <Ghosts />}
      <ul class="list">
        {lines?.map((line) => (
          <li key={line.version} class="record">
            <span class="record-title">{reasonText(session, line)}{line.text && <small> {line.text}</small>}</span>
            <span class={line.change_fen > 0 ? "record-amount income" : "record-amount"}>
              {line.change_fen > 0 ? "+" : "-"}{session.amount(Math.abs(line.change_fen))}
            </span>
            <span class="record-when">{session.when(line.at_ms)}</span>
            <span class="record-more">{session.t("balance_after", { amount: session.amount(line.balance_fen) })}</span>
          </li>
        ))}
      </ul>
      {lines !== undefined && !lines.length && <p class="empty">{session.t("no_records")}</p>}
      {hasMore && (
        <button type="button" class="plain-button" disabled={isBusy} onClick={() => run(() => fetch(lines!.at(-1)!.version))}>{session.t("more")}</button>
      )}
    </Page>
  );
}
