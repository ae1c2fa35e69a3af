-- Groups of the chat backend, invite codes, versions of memberships, history from joining on, one-to-one chats.
-- New columns have constant defaults, new constraints are NOT VALID, new indexes have no row: nothing is rewritten or
-- locked for longer than a moment.

-- `external_id`: the backend's own id (null: made by a user). `kind`: group (a member list), signed (no list: users show
-- passes) or direct (two users, `pair` names them). `invite`: made when a member asks for it first. `members_version`:
-- +1 with each change of members, name or owner. `synced_version`: the backend's version of its last whole list.
ALTER TABLE groups
    ADD external_id     text,
    ADD kind            text   NOT NULL DEFAULT 'group',
    ADD pair            text,
    ADD invite          text,
    ADD members_version bigint NOT NULL DEFAULT 0,
    ADD synced_version  bigint NOT NULL DEFAULT 0;
ALTER TABLE groups
    ADD CONSTRAINT groups_kind CHECK (kind IN ('group', 'signed', 'direct')) NOT VALID,
    ADD CONSTRAINT groups_pair CHECK ((kind = 'direct') = (pair IS NOT NULL)) NOT VALID,
    ADD CONSTRAINT groups_external_id CHECK (octet_length(external_id) BETWEEN 1 AND 64) NOT VALID,
    ADD CONSTRAINT groups_invite CHECK (invite IS NULL OR (invite ~ '^[A-Z2-7]{16}$' AND kind = 'group')) NOT VALID;
CREATE UNIQUE INDEX groups_external_id ON groups (external_id) WHERE external_id IS NOT NULL;
CREATE UNIQUE INDEX groups_pair ON groups (pair) WHERE pair IS NOT NULL;
CREATE UNIQUE INDEX groups_invite ON groups (invite) WHERE invite IS NOT NULL;

-- `changed_version`: the group's `members_version` at the last change of the standing. `by_other`: that change was not
-- made by the user, who is told of it. `backend_version`: the backend's version of its last change. `from_message`: the
-- last message of the stream at the latest joining; a member's history begins behind it.
ALTER TABLE memberships
    ADD changed_version bigint  NOT NULL DEFAULT 0,
    ADD by_other        boolean NOT NULL DEFAULT false,
    ADD backend_version bigint  NOT NULL DEFAULT 0,
    ADD from_message    bigint  NOT NULL DEFAULT 0;
CREATE INDEX memberships_changed ON memberships (group_id, changed_version) WHERE changed_version > 0;

-- Null: never a member. The backend said that the user left, and the row keeps an older joining from undoing that.
ALTER TABLE memberships ALTER joined_at_ms DROP NOT NULL;
ALTER TABLE memberships ADD CONSTRAINT memberships_joined CHECK (joined_at_ms IS NOT NULL OR left_at_ms IS NOT NULL) NOT VALID;

-- The one-to-one chat that a personal packet was posted in; null: in the inboxes of sender and receiver.
ALTER TABLE packets ADD chat_id bigint;
