/** The wallet: what is in it, what is arriving, and where it leads. */

import { useEffect } from "preact/hooks";
import { Big, Page, Row } from "../parts/page.js";
import { useView } from "../view.js";

export function WalletPage() {
  const { session, nav } = useView();
  const { model } = session;
  useEffect(() => {
    void session.quietly(() => session.refreshWallet());
    void session.quietly(() => session.learnPayer());
  }, []);
  const takesCards = session.payer?.takesCards ?? false;
  return (
    <Page title={session.t("wallet")} kind="wallet">
      <div class="purse">
        <span class="purse-coin" aria-hidden="true">{session.unit.symbol || "✦"}</span>
        <p>{session.t("my_wallet")}</p>
        <Big fen={model.balanceFen} kind="purse-amount" />
        <p class="purse-arriving" role="status">
          {model.arrivingFen > 0 ? session.t("arriving", { amount: session.amount(model.arrivingFen) }) : " "}
        </p>
        {takesCards && (
          <div class="purse-buttons">
            <button type="button" class="green-button" onClick={() => nav.push({ at: "money", what: "topup" })}>{session.t("topup")}</button>
            <button type="button" class="plain-button" onClick={() => nav.push({ at: "money", what: "withdraw" })}>{session.t("withdraw")}</button>
          </div>
        )}
      </div>
      <div class="list">
        <Row label={session.t("records")} onClick={() => nav.push({ at: "records" })} />
        <Row label={session.t("scheduled")} onClick={() => nav.push({ at: "scheduled" })} />
        <Row label={session.t("statement")} onClick={() => nav.push({ at: "statement" })} />
        <Row label={session.t("transfer")} onClick={() => nav.push({ at: "money", what: "transfer" })} />
        {takesCards && (
          <Row label={session.t("cards")} value={session.payer?.cards.length || ""} onClick={() => nav.push({ at: "cards" })} />
        )}
      </div>
    </Page>
  );
}
