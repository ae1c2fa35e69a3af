/** 送给好友: a link to a fission packet is said in a chat; a friend who taps it may open a share. */

import { Row, Sheet } from "../parts/page.js";
import { useBusy, useClose, useView } from "../view.js";

export function PassSheet({ packetId }: { packetId: bigint }) {
  const { session } = useView();
  const close = useClose();
  const { client, model } = session;
  const [isBusy, run] = useBusy();
  const chats = [...model.conversations.values()].filter((one) => one.streamId !== model.inboxId);
  const send = (streamId: bigint) =>
    run(async () => {
      const made = await client.packets.passOn(packetId, session.language);
      await client.say(streamId, made.text);
      session.say(session.t("passed_on"));
      close();
    });
  return (
    <Sheet title={session.t("pass_on")}>
      <div class="list" aria-busy={isBusy}>
        {chats.map((one) => <Row key={String(one.streamId)} label={session.titleOf(one)} onClick={() => send(one.streamId)} />)}
      </div>
    </Sheet>
  );
}
