-- Seeds that are committed ahead (server/core/seeds). New packets have no seed in the database: it follows from a server
-- seed of their sender, whose tree is sealed under a key that is not here. Older packets keep theirs.

-- The trees that were told to users or used by packets. Number n holds the server seeds 64·n to 64·n + 63 of the user.
CREATE TABLE seed_trees (
    user_id       bigint NOT NULL CHECK (user_id BETWEEN 1 AND 9007199254740991),
    number        bigint NOT NULL CHECK (number >= 0),
    root          bytea  NOT NULL CHECK (length(root) = 32),
    sealed        bytea  NOT NULL,
    key_id        text   NOT NULL,
    created_at_ms bigint NOT NULL,
    PRIMARY KEY (user_id, number)
);
-- What was committed to stays; only the seal may be renewed under another key.
CREATE TRIGGER seed_trees_stay BEFORE UPDATE OF user_id, number, root OR DELETE OR TRUNCATE ON seed_trees
    EXECUTE FUNCTION refuse_change();

-- From a row on no server seed below its first_index is used, whatever a wallet says: a database that was restored has
-- forgotten which ones were. `origin` tells one life of a database from another (see seed_origin).
CREATE TABLE seed_epochs (
    first_index bigint PRIMARY KEY CHECK (first_index >= 0 AND first_index % 64 = 0),
    origin      text   NOT NULL,
    key_id      text   NOT NULL,
    at_ms       bigint NOT NULL
);
CREATE TRIGGER seed_epochs_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON seed_epochs EXECUTE FUNCTION refuse_change();

-- Another cluster, another timeline (a recovery from the archive, a promoted standby), another database, or a table that
-- was made again (pg_restore) gives another text. The timeline is that of the WAL that is written now.
CREATE FUNCTION seed_origin() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT concat_ws('/', (SELECT system_identifier FROM pg_control_system()),
                     left(pg_walfile_name(pg_current_wal_lsn()), 8),
                     (SELECT oid FROM pg_database WHERE datname = current_database()), 'seed_trees'::regclass::oid)
$$;

-- The server seed of the next packet that a user sends, unless a newer epoch begins behind it.
ALTER TABLE wallets ADD next_seed bigint NOT NULL DEFAULT 0;

ALTER TABLE packets ALTER seed DROP NOT NULL, ADD seed_index bigint, ADD client_seed bytea, ADD commitment bytea;
ALTER TABLE packets ADD CONSTRAINT packets_seed CHECK (
    CASE WHEN seed IS NULL
         THEN num_nulls(seed_index, client_seed, commitment) = 0 AND length(commitment) = 32
              AND (length(client_seed) = 0 OR length(client_seed) BETWEEN 16 AND 32)
         ELSE num_nonnulls(seed_index, client_seed, commitment) = 0 END
) NOT VALID;
CREATE UNIQUE INDEX packets_seeds ON packets (sender_id, seed_index) WHERE seed_index IS NOT NULL;
