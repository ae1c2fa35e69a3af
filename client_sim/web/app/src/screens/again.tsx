/** 继续发送此红包: where the packet is posted once more. No money moves. */

import { Row, Sheet } from "../parts/page.js";
import { useBusy, useClose, useView } from "../view.js";

export function AgainSheet({ packetId }: { packetId: bigint }) {
  const { session } = useView();
  const close = useClose();
  const [isBusy, run] = useBusy();
  const home = session.model.homeOf(packetId);
  const isForUser = home !== undefined && (home.isOneToOne || home.streamId === session.model.inboxId);
  const groups = isForUser ? [] : session.model.listed().filter((one) => one !== home && !one.isOneToOne && one.streamId !== session.model.inboxId);
  const send = (groupId: bigint) =>
    run(async () => {
      await session.client.packets.sendAgain(packetId, groupId);
      session.say(session.t("sent_again"));
      close();
    });
  return (
    <Sheet title={session.t("send_again_to")}>
      <div class="list" aria-busy={isBusy}>
        <Row label={session.t("send_again_here")} onClick={() => send(0n)} />
        {groups.map((one) => (
          <Row key={String(one.streamId)} label={session.titleOf(one)} onClick={() => send(one.streamId)} />
        ))}
      </div>
    </Sheet>
  );
}
