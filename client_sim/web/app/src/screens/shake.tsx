/** 摇一摇: shake the phone, tap, or press space. It shows the win, the rest, and how many are left. */

import { sleep } from "@hongbao/sdk";
import { useContext, useEffect, useRef, useState } from "preact/hooks";
import { Envelope, Phone } from "../parts/icons.js";
import { Page } from "../parts/page.js";
import { MotionSense, Shaking } from "../state/shaking.js";
import { PlaceContext, useLoad, useView } from "../view.js";

const SWING_MS = 500; // the phone swings so long for a shake; also the shortest time between two

type AskMotion = () => Promise<"granted" | "denied">;

/** iOS tells motion only to pages that have asked for it by a tap; no browser tells it to pages without TLS. */
function motionAsker(): AskMotion | undefined {
  if (!isSecureContext) return undefined;
  return (globalThis.DeviceMotionEvent as unknown as { requestPermission?: AskMotion } | undefined)?.requestPermission;
}

export function ShakePage({ campaignId }: { campaignId?: bigint }) {
  const { session, nav } = useView();
  const { packets } = session.client;
  const place = useContext(PlaceContext);
  const [shaking, setShaking] = useState<Shaking>();
  const [line, setLine] = useState("");
  const [isSwinging, setSwinging] = useState(false);
  const [isAllowed, setAllowed] = useState(motionAsker() === undefined);
  const [now, setNow] = useState(session.now());
  const state = useRef({ isShaking: false, shaking }).current;
  state.shaking = shaking;

  const begin = async (id: bigint) => {
    session.shookIn = id;
    setShaking(new Shaking(await packets.campaign(id, session.language)));
  };
  useLoad(async () => {
    await session.learnCampaigns();
    const { campaigns } = session;
    const running = campaigns.find((one) => one.state === "running") ?? campaigns[0];
    const id = campaignId ?? running?.campaign_id;
    setLine(id === undefined ? session.t("no_campaign") : "");
    if (id !== undefined) await begin(id);
  });
  useEffect(() => {
    if (shaking?.isOver) void session.quietly(() => session.learnCampaigns()); // there may be another one
  }, [shaking?.isOver]);
  useEffect(() => {
    const timer = setInterval(() => setNow(session.now()), 250);
    return () => clearInterval(timer);
  }, []);

  const shake = async () => {
    const { shaking } = state;
    if (shaking === undefined || state.isShaking || shaking.isOver || shaking.restS(session.now())) return;
    state.isShaking = true;
    setSwinging(true);
    navigator.vibrate?.(60);
    try {
      const [shaken] = await Promise.all([packets.shake(shaking.campaign.campaign_id), sleep(SWING_MS)]);
      const asks = shaking.take(shaken, session.now());
      setLine("");
      if (shaken.result === "won" && shaken.win !== null) {
        navigator.vibrate?.([80, 60, 120]);
        session.arrives(shaken.win.amount_fen);
      }
      if (asks) shaking.show(await packets.campaign(shaking.campaign.campaign_id, session.language));
    } catch (error) {
      setLine(session.why(error));
    } finally {
      state.isShaking = false;
      setSwinging(false);
    }
  };

  useEffect(() => {
    const sense = new MotionSense();
    const isSeen = () => nav.top === place; // below another page nothing is shaken
    const moved = ({ acceleration }: DeviceMotionEvent) => {
      if (!isSeen()) return;
      const { x, y, z } = acceleration ?? { x: 0, y: 0, z: 0 };
      if (sense.feel(x ?? 0, y ?? 0, z ?? 0, Date.now())) void shake();
    };
    const pressed = (event: KeyboardEvent) => {
      if (event.key !== " " || event.repeat || !isSeen() || (event.target as Element).closest("button:not(.shaker), input")) return;
      event.preventDefault();
      void shake();
    };
    if (isAllowed) addEventListener("devicemotion", moved);
    addEventListener("keydown", pressed);
    return () => {
      removeEventListener("devicemotion", moved);
      removeEventListener("keydown", pressed);
    };
  }, [isAllowed]);

  const allow = () => void motionAsker()!().then((answer) => setAllowed(answer === "granted"), () => {});
  const campaign = shaking?.campaign;
  const restS = shaking?.restS(now) ?? 0;
  const isEnded = campaign?.state === "ended" || shaking?.latest?.result === "ended";
  const win = shaking?.win;
  const isWon = shaking?.latest?.result === "won";
  const next = isEnded && session.campaigns.find((one) => one.state === "running" && one.campaign_id !== campaign!.campaign_id);
  return (
    <Page title={session.t("shake")} kind="shake">
      <p class="shake-sponsor">{campaign && session.t("shake_sponsor", { name: campaign.sponsor_name })}</p>
      <p class="shake-name">{campaign?.name}</p>
      <button type="button" class={isSwinging ? "shaker swinging" : "shaker"} disabled={campaign === undefined || shaking?.isOver}
        aria-label={session.t("shake")} onClick={() => void shake()}>
        <Phone />
      </button>
      <p class="shake-line" role="status" onClick={() => void shake()}>
        {line || (restS ? session.t("shake_rest") : isWon ? session.t("shake_won") : shaking?.latest ? shaking.texts[shaking.latest.result] : campaign && session.t("shake_start"))}
      </p>
      {win && !restS && (
        <button type="button" class={isWon ? "shake-win" : "shake-win before"} onClick={() => nav.push({ at: "result", packetId: win.packet_id, campaignId: campaign!.campaign_id })}>
          <Envelope size={56} isOpen />
          <span class="shake-amount">{session.amount(win.amount_fen)}</span>
          <span>{win.greeting}</span>
          <span class="link">{session.t("shake_open")}</span>
        </button>
      )}
      {shaking && shaking.wins > 1 && <p class="shake-more">{session.t("shake_sum", { count: shaking.wins, amount: session.amount(shaking.wonFen) })}</p>}
      <p class="shake-more">
        {campaign !== undefined && campaign.starts_at_ms > now ? session.t("shake_begins", { time: session.when(campaign.starts_at_ms) })
          : restS ? session.t("shake_rest_s", { seconds: restS })
          : shaking?.shakes ? session.t("shake_count", { count: shaking.shakes }) : <span class="for-keys">{session.t("shake_key")}</span>}
      </p>
      {campaign !== undefined && !isEnded && (
        <p class="shake-left" role="status">
          {campaign.at_most_left ? session.t("shake_left", { count: campaign.at_most_left.toLocaleString("en") }) : session.t("shake_none")}
        </p>
      )}
      {next && (
        <button type="button" class="gold-button" onClick={() => void begin(next.campaign_id)}>{session.t("shake")} · {next.name}</button>
      )}
      {isEnded && (
        <button type="button" class="link" onClick={() => nav.push({ at: "proof", packetId: campaign!.campaign_id, isCampaign: true })}>
          {session.t("proof")}
        </button>
      )}
      {!isAllowed && <button type="button" class="gold-button" onClick={allow}>{session.t("shake_motion")}</button>}
    </Page>
  );
}
