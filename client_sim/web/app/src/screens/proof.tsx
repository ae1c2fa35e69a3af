/** The proof of a packet, or of my wins in a campaign: every share is recomputed here from what was revealed. */

import { type ClaimLine, dueOf, isPool, isRefused, type Revealed, toHex, type Verdict } from "@hongbao/sdk";
import { useState } from "preact/hooks";
import { Cross, Tick } from "../parts/icons.js";
import { Page } from "../parts/page.js";
import type { TextKey } from "../state/texts.js";
import { useLoad, useView } from "../view.js";

interface Checked {
  revealed: Revealed;
  verdict: Verdict;
}

export function ProofPage({ packetId, isCampaign }: { packetId: bigint; isCampaign?: boolean }) {
  const { session } = useView();
  const [checked, setChecked] = useState<Checked>();
  const [line, setLine] = useState("");
  useLoad(async () => {
    try {
      const found = await session.client.patiently(() => session.client.packets.verify(packetId), 3_000);
      session.learnNames(found.revealed.claims.map((one) => one.user_id));
      setChecked(found);
    } catch (error) {
      if (!isRefused(error, "not_finished")) throw error;
      setLine(session.t(isCampaign ? "proof_not_yet_campaign" : "proof_not_yet"));
    }
  });
  return (
    <Page title={session.t("proof_title")} kind="proof" isText>
      {checked && <p class="about">{session.t("proof_about")}</p>}
      {line && <p class="empty" role="status">{line}</p>}
      {checked && <Steps {...checked} />}
      {checked && <Shares revealed={checked.revealed} />}
    </Page>
  );
}

function Steps({ verdict }: Checked) {
  const { session } = useView();
  return (
    <>
      <p class={verdict.isFair ? "verdict fair" : "verdict unfair"} role="status">
        {verdict.isFair ? <Tick /> : <Cross />} {session.t(verdict.isFair ? "proof_fair" : "proof_unfair")}
      </p>
      <ul class="list steps">
        {verdict.steps.map((step) => (
          <li key={step.name} class={step.fits ? "row" : "row unfit"}>
            <span class="row-label">{session.t(`step_${step.name}`)}</span>
            <span class="row-value">{step.fits ? <Tick /> : <Cross />}<span class="unseen">{step.fits ? "✓" : "✗"}</span></span>
          </li>
        ))}
      </ul>
      {verdict.contradictions.map((what) => <p key={what} class="about unfit">{session.t("contradiction", { what })}</p>)}
      {verdict.unproven.map((what) => <p key={what} class="about">{session.t(`unproven_${what}` as TextKey)}</p>)}
    </>
  );
}

function Shares({ revealed }: { revealed: Revealed }) {
  const { session } = useView();
  const due = dueOf(revealed);
  const isCampaign = isPool(revealed);
  const nameOf = (claim: ClaimLine) =>
    isCampaign ? session.t("pool_number") : claim.user_id ? session.model.nameOf(claim.user_id) : "—";
  return (
    <>
      {isCampaign && !revealed.claims.length && <p class="about">{session.t("no_wins")}</p>}
      {revealed.claims.length > 0 && <table class="shares">
        <thead>
          <tr>
            <td />
            <th scope="col"><span class="unseen">{session.t("name")}</span></th>
            <th scope="col">{session.t("share_told")}</th>
            <th scope="col">{session.t("share_drawn")}</th>
          </tr>
        </thead>
        <tbody>
          {revealed.claims.map((claim, at) => (
            <tr key={claim.index}>
              <td>{isCampaign ? claim.index : claim.index + 1}</td>
              <th scope="row">{nameOf(claim)}</th>
              <td>{session.amount(claim.amount_fen)}</td>
              <td class={due[at] === claim.amount_fen ? "fits" : "unfit"}>{session.amount(due[at] ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>}
      <details class="seeds">
        <summary>{session.t("seeds")}</summary>
        <dl>
          <dt>seed</dt><dd>{toHex(revealed.seed)}</dd>
          <dt>commitment</dt><dd>{toHex(revealed.commitment)}</dd>
          <dt>root</dt><dd>{toHex(revealed.root)}</dd>
          {isCampaign && <><dt>deck</dt><dd class="deck">{new TextDecoder().decode(revealed.deck)}</dd></>}
        </dl>
      </details>
    </>
  );
}
