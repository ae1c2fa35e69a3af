-- Servers tell each other what they change in groups and users: triggers notify, so that no statement can forget it.

-- The servers at work. A change waits for those whose lease has not ended. A number stands for one process.
CREATE TABLE servers (
    server_id bigint      PRIMARY KEY,
    alive_at  timestamptz NOT NULL
) WITH (fillfactor = 50);  -- each row is updated twice a second, in its page

-- Arguments: the kind of record, its id, its version.
CREATE FUNCTION notify_change() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    made jsonb := to_jsonb(NEW);
BEGIN
    PERFORM pg_notify('hongbao_changes', concat_ws(':', TG_ARGV[0], made ->> TG_ARGV[1], made ->> TG_ARGV[2]));
    RETURN NULL;
END
$$;

CREATE TRIGGER notify_change AFTER UPDATE ON groups FOR EACH ROW
    WHEN (OLD.members_version <> NEW.members_version)
    EXECUTE FUNCTION notify_change('group', 'group_id', 'members_version');
CREATE TRIGGER notify_insert AFTER INSERT ON groups FOR EACH ROW
    WHEN (NEW.members_version > 0)
    EXECUTE FUNCTION notify_change('group', 'group_id', 'members_version');

CREATE TRIGGER notify_change AFTER UPDATE ON users FOR EACH ROW
    WHEN (OLD.version <> NEW.version)
    EXECUTE FUNCTION notify_change('user', 'user_id', 'version');
-- A user who logs in for the first time is a row without a name: no server has anything of such a user in memory.
CREATE TRIGGER notify_insert AFTER INSERT ON users FOR EACH ROW
    WHEN (NEW.version > 1 OR NEW.name <> '')
    EXECUTE FUNCTION notify_change('user', 'user_id', 'version');
