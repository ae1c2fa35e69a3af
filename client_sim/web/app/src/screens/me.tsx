/** Me: my name, the language, another group. */

import { useContext, useState } from "preact/hooks";
import { keepLanguage } from "../enter.js";
import { Avatar, Field, Page, Row } from "../parts/page.js";
import { PlaceContext, useBusy, useView } from "../view.js";

export function MePage() {
  const { session, nav } = useView();
  const place = useContext(PlaceContext);
  const { client, model } = session;
  const [name, setName] = useState(() => model.names.get(model.userId) ?? "");
  const [code, setCode] = useState("");
  const [group, setGroup] = useState("");
  const [isBusy, run] = useBusy();
  const save = (event: Event) => {
    event.preventDefault();
    run(async () => {
      await client.ask("SetName", { name: name.trim() });
      session.change(() => model.learn(model.userId, name.trim()));
      session.say(session.t("saved"));
    });
  };
  const join = (event: Event) => {
    event.preventDefault();
    run(async () => {
      const joined = await client.joinGroup(code.trim());
      model.place(joined.group_id, joined.name, joined.owner_id, joined.last_message);
      nav.only({ at: "chat", streamId: joined.group_id }, place);
    });
  };
  const create = (event: Event) => {
    event.preventDefault();
    run(async () => {
      const streamId = await client.createGroup(group.trim());
      model.place(streamId, group.trim(), model.userId, 0);
      nav.only({ at: "chat", streamId }, place);
    });
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
        <Row label="语言 · Language" value={<span lang={other}>{session.t("language")}</span>} onClick={speak} />
      </div>
      <form class="form" onSubmit={save}>
        <Field label={session.t("name")} value={name} onInput={setName} maxBytes={64} />
        <button type="submit" class="plain-button" disabled={isBusy || name.trim() === (model.names.get(model.userId) ?? "")}>{session.t("save")}</button>
      </form>
      <form class="form" onSubmit={join}>
        <Field label={session.t("invite_code")} value={code} onInput={setCode} maxLength={16} />
        <button type="submit" class="plain-button" disabled={isBusy || !code.trim()}>{session.t("join")}</button>
      </form>
      <form class="form" onSubmit={create}>
        <Field label={session.t("group_name")} value={group} onInput={setGroup} maxBytes={64} />
        <button type="submit" class="plain-button" disabled={isBusy || !group.trim()}>{session.t("new_group")}</button>
      </form>
    </Page>
  );
}
