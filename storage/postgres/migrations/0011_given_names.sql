-- Names that the chat backend gave: they need not differ from each other, and no other user may choose one. A table of
-- its own, so that the upgrade holds no lock on `users` while it fills this one (storage/postgres/chat/unique_names).
CREATE TABLE given_names (
    user_id     bigint CONSTRAINT given_names_pkey PRIMARY KEY
                       CONSTRAINT given_names_user_id_check CHECK (is_user(user_id)),
    -- The form of the name, as in users.unique_name.
    unique_form text   NOT NULL
);
CREATE INDEX given_names_unique_form ON given_names (unique_form);
