-- Nonces of signed requests and notices that were accepted: no server accepts one again, also after a restart.

-- `mark`: a digest of what is signed for, the key and the nonce. `time_s`: the time of signing, as the request says. Rows are
-- deleted when requests of that time are too old anyway; a request from before `nonces_from_s` is never accepted again.
CREATE TABLE used_nonces (
    time_s bigint NOT NULL,
    mark   bytea  NOT NULL CHECK (octet_length(mark) = 16),
    PRIMARY KEY (time_s, mark)
);
INSERT INTO facts (name, value) VALUES ('nonces_from_s', 0);
