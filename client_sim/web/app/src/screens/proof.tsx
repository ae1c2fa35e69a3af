/** The proof of a packet: every share is recomputed here from what was revealed. */

import { isRefused, type Revealed, sharesOf, toHex, type Verdict } from "@hongbao/sdk";
import { useEffect, useState } from "preact/hooks";
import { Cross, Tick } from "../parts/icons.js";
import { Page } from "../parts/page.js";
import type { TextKey } from "../state/texts.js";
import { useView } from "../view.js";

interface Checked {
  revealed: Revealed;
  verdict: Verdict;
}

export function ProofPage({ packetId }: { packetId: bigint }) {
  const { session } = useView();
  const [checked, setChecked] = useState<Checked>();
  const [line, setLine] = useState("");
  useEffect(() => {
    session.client.patiently(() => session.client.packets.verify(packetId), 3_000).then(
      (found) => {
        session.learnNames(found.revealed.claims.map((one) => one.user_id));
        setChecked(found);
      },
      (error: unknown) => setLine(isRefused(error, "not_finished") ? session.t("proof_not_yet") : session.why(error)),
    );
  }, []);
  return (
    <Page title={session.t("proof_title")} kind="proof" isText>
      <p class="about">{session.t("proof_about")}</p>
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
  const drawn = sharesOf(revealed);
  return (
    <>
      <table class="shares">
        <tbody>
          {revealed.claims.map((claim, at) => (
            <tr key={claim.index}>
              <td>{claim.index + 1}</td>
              <th scope="row">{claim.user_id ? session.model.nameOf(claim.user_id) : "—"}</th>
              <td>{session.amount(claim.amount_fen)}</td>
              <td class={drawn[at] === claim.amount_fen ? "fits" : "unfit"}>{session.amount(drawn[at] ?? 0)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <dl class="seeds">
        <dt>seed</dt><dd>{toHex(revealed.seed)}</dd>
        <dt>commitment</dt><dd>{toHex(revealed.commitment)}</dd>
        <dt>root</dt><dd>{toHex(revealed.root)}</dd>
      </dl>
    </>
  );
}
