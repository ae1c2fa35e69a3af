/** The members of a group; for its owner how fast each of them grabs, and the button that removes one. */

import type { GrabStatLine } from "@hongbao/sdk";
import { useContext, useState } from "preact/hooks";
import { Next } from "../parts/icons.js";
import { Avatar, Page, Row, Ghosts } from "../parts/page.js";
import type { Session } from "../state/session.js";
import { PlaceContext, useBusy, useClose, useLoad, useView } from "../view.js";

/** All members of a group with their names, and its owner. */
export async function allMembers({ client, model }: Session, streamId: bigint): Promise<{ members: [number, string][]; ownerId: number }> {
  const members: [number, string][] = [];
  let ownerId = 0;
  for (let after = 0, more = true; more; after = members.at(-1)?.[0] ?? 0) {
    const page = await client.patiently(() => client.members(streamId, after));
    page.user_ids.forEach((id, at) => members.push([id, page.names[at] ?? ""]));
    more = page.more && page.user_ids.length > 0;
    ownerId = page.owner_id;
  }
  members.forEach(([id, name]) => model.learn(id, name));
  return { members, ownerId };
}

function MemberRow({ userId, name, ownerId, stats, streamId, onRemoved }: {
  userId: number; name: string; ownerId: number; stats: GrabStatLine | undefined; streamId: bigint; onRemoved: () => void;
}) {
  const { session, nav } = useView();
  const place = useContext(PlaceContext);
  const [isOpen, setOpen] = useState(false);
  const [isSure, setSure] = useState(false);
  const [isBusy, run] = useBusy();
  const { userId: me } = session.model;
  const mayRemove = me === ownerId && userId !== ownerId;
  const remove = () => run(async () => {
    await session.client.ask("Kick", { group_id: streamId, user_id: userId });
    session.say(session.t("removed", { name }));
    onRemoved();
  });
  const figures = stats && {
    ms: (stats.median_ms / 1000).toFixed(2), grabs: stats.grabs, first: stats.first_places, sent: stats.sent_packets,
  };
  return (
    <li class="member">
      <button type="button" class="member-line" disabled={userId === me} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        <Avatar id={userId} name={name} />
        <span class="member-name">{name}{userId === ownerId && <small class="tag">{session.t("owner")}</small>}</span>
        {figures && <span class="member-stats">{session.t(stats.grabs ? "speed" : "never_grabbed", figures)}</span>}
        {userId !== me && <Next />}
      </button>
      {isOpen && isSure && <p class="member-sure">{session.t("remove_sure", { name })}</p>}
      {isOpen && (
        <p class="member-buttons">
          {!isSure && (
            <button type="button" class="small-button" disabled={isBusy} onClick={() => run(async () => {
              const { stream_id, last_message } = await session.client.openChat(userId);
              session.model.place(stream_id, "", userId, last_message);
              nav.only({ at: "chat", streamId: stream_id }, place);
            })}>{session.t("chat_with")}</button>
          )}
          {isSure && <button type="button" class="small-button" onClick={() => setSure(false)}>{session.t("cancel")}</button>}
          {mayRemove && (
            <button type="button" class="small-button danger" disabled={isBusy} onClick={() => (isSure ? remove() : setSure(true))}>
              {session.t("remove")}
            </button>
          )}
        </p>
      )}
    </li>
  );
}

export function MembersPage({ streamId }: { streamId: bigint }) {
  const { session } = useView();
  const close = useClose();
  const { client } = session;
  const [members, setMembers] = useState<[number, string][]>([]);
  const [ownerId, setOwner] = useState(0);
  const [stats, setStats] = useState<GrabStatLine[]>();
  const [invite, setInvite] = useState("");
  const [isBusy, run] = useBusy();
  const isOwner = ownerId === session.model.userId;
  useLoad(async () => {
    const found = await allMembers(session, streamId);
    setOwner(found.ownerId);
    setMembers(found.members);
  });
  const bySpeed = new Map(stats?.map((line) => [line.user_id, line]));
  const places = [...bySpeed.keys()];
  const ordered = stats === undefined ? members : [...members].sort(([one], [other]) => places.indexOf(one) - places.indexOf(other));
  return (
    <Page title={session.t("members", { count: members.length || "…" })} kind="members">
      <div class="list">
        {isOwner && (
          <Row label={session.t("by_speed")} onClick={() => run(async () => setStats((await client.ask("GrabStats", { group_id: streamId })).lines))} />
        )}
        <button type="button" class="row leads" disabled={isBusy} onClick={() => run(async () => {
          const code = await client.invite(streamId);
          setInvite(code);
          await navigator.clipboard?.writeText(code).then(() => session.say(session.t("copied")), () => {}); // not every browser lets it
        })}>
          <span class="row-label">{session.t("invite_code")}</span><span class="row-value" role="status">{invite}</span>
        </button>
      </div>
      {!members.length && <Ghosts />}
      <ul class="list">
        {ordered.map(([id, name]) => (
          <MemberRow key={id} userId={id} name={name || String(id)} ownerId={ownerId} stats={bySpeed.get(id)} streamId={streamId}
            onRemoved={() => setMembers((known) => known.filter(([one]) => one !== id))} />
        ))}
      </ul>
      {!isOwner && (
        <button type="button" class="plain-button danger" disabled={isBusy} onClick={() => run(async () => {
          await client.leaveGroup(streamId);
          session.change(() => session.model.remove(streamId));
          close();
        })}>{session.t("leave")}</button>
      )}
    </Page>
  );
}
