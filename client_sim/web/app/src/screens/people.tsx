/** 发给谁: the members of the group whom an exclusive packet is for. */

import { useState } from "preact/hooks";
import { Tick } from "../parts/icons.js";
import { Avatar, Page, Ghosts } from "../parts/page.js";
import { useLoad, useView } from "../view.js";
import { allMembers } from "./members.js";

interface PeopleProps {
  streamId: bigint;
  chosen: number[];
  onChosen: (userIds: number[]) => void;
}

export function PeoplePage({ streamId, chosen: before, onChosen }: PeopleProps) {
  const { session, nav } = useView();
  const [members, setMembers] = useState<[number, string][]>();
  const [chosen, setChosen] = useState(before);
  useLoad(async () => {
    const { members: found } = await allMembers(session, streamId);
    setMembers(found.filter(([id]) => id !== session.model.userId));
  });
  const turn = (userId: number) => setChosen(chosen.includes(userId) ? chosen.filter((one) => one !== userId) : [...chosen, userId]);
  const done = () => {
    onChosen(chosen);
    nav.back();
  };
  return (
    <Page title={session.t("for_whom")} kind="people"
      foot={<footer class="foot-bar">
        <button type="button" class="red-button" disabled={!chosen.length} onClick={done}>
          {chosen.length ? session.t("chosen", { count: chosen.length }) : session.t("done")}
        </button>
      </footer>}>
      {members === undefined && <Ghosts />}
      <ul class="list">
        {members?.map(([id, name]) => (
          <li key={id}>
            <button type="button" class="row leads person" role="checkbox" aria-checked={chosen.includes(id)} onClick={() => turn(id)}>
              <span class="check" aria-hidden="true">{chosen.includes(id) && <Tick />}</span>
              <Avatar id={id} name={name || String(id)} />
              <span class="row-label">{name || id}</span>
            </button>
          </li>
        ))}
      </ul>
      {members !== undefined && !members.length && <p class="empty">{session.t("alone_here")}</p>}
    </Page>
  );
}
