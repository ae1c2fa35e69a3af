/** Me: my name, the language, another group. */

import { useContext, useRef, useState } from "preact/hooks";
import { keepLanguage } from "../enter.js";
import { Next } from "../parts/icons.js";
import { Avatar, Field, Page, Row } from "../parts/page.js";
import { PlaceContext, useBusy, useView } from "../view.js";

interface AskProps {
  title: string;
  label: string;
  first?: string;
  maxBytes: number;
  onDone: (text: string) => Promise<unknown>;
}

/** A line that unfolds to a field. */
function Ask({ title, label, first = "", maxBytes, onDone }: AskProps) {
  const { session } = useView();
  const [text, setText] = useState(first);
  const [isBusy, run] = useBusy();
  const box = useRef<HTMLDetailsElement>(null);
  const done = (event: Event) => {
    event.preventDefault();
    run(async () => {
      await onDone(text.trim());
      if (box.current) box.current.open = false;
    });
  };
  return (
    <details class="ask" ref={box}>
      <summary class="row leads"><span class="row-label">{title}</span><Next /></summary>
      <form class="form" onSubmit={done}>
        <Field label={label} value={text} onInput={setText} maxBytes={maxBytes} />
        <button type="submit" class="green-button" disabled={isBusy || !text.trim() || text.trim() === first}>{session.t("done")}</button>
      </form>
    </details>
  );
}

export function MePage() {
  const { session, nav } = useView();
  const place = useContext(PlaceContext);
  const { client, model } = session;
  const name = model.names.get(model.userId) ?? "";
  const rename = async (chosen: string) => {
    await client.ask("SetName", { name: chosen });
    session.change(() => model.learn(model.userId, chosen));
    session.say(session.t("saved"));
  };
  const join = async (code: string) => {
    const joined = await client.joinGroup(code);
    model.place(joined.group_id, joined.name, joined.owner_id, joined.last_message);
    nav.only({ at: "chat", streamId: joined.group_id }, place);
  };
  const create = async (group: string) => {
    const streamId = await client.createGroup(group);
    model.place(streamId, group, model.userId, 0);
    nav.only({ at: "chat", streamId }, place);
  };
  const other = session.language === "zh" ? "en" : "zh";
  const speak = () => {
    document.documentElement.lang = other;
    keepLanguage(other);
    session.speak(other);
  };
  return (
    <Page title={session.t("me")}>
      <div class="me">
        <Avatar id={model.userId} name={model.nameOf(model.userId)} size={64} />
        <p>{model.nameOf(model.userId)}<small>{session.t("user_id")} {model.userId}</small></p>
      </div>
      <div class="list">
        <Row label={session.t("wallet")} value={session.amount(model.balanceFen)} onClick={() => nav.push({ at: "wallet" })} />
        <Row label={session.t("records")} onClick={() => nav.push({ at: "records" })} />
      </div>
      <div class="list">
        <Ask title={session.t("name")} label={session.t("name")} first={name} maxBytes={64} onDone={rename} />
        <Row label="语言 · Language" value={session.t("language")} onClick={speak} />
      </div>
      <div class="list">
        <Ask title={session.t("join_group")} label={session.t("invite_code")} maxBytes={16} onDone={join} />
        <Ask title={session.t("new_group")} label={session.t("group_name")} maxBytes={64} onDone={create} />
      </div>
    </Page>
  );
}
