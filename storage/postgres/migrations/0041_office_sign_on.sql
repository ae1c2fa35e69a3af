-- Single sign-on of the back office: operators who log in at a provider of OpenID Connect (docs/back-office.md).

-- An operator may have a key, a subject at a provider, or both. `is_disabled`: neither logs in.
ALTER TABLE office_operators
    ADD COLUMN oidc_issuer  text,
    ADD COLUMN oidc_subject text,
    ADD COLUMN is_disabled  boolean NOT NULL DEFAULT false,
    ADD CONSTRAINT office_operators_subject CHECK ((oidc_issuer IS NULL) = (oidc_subject IS NULL));
CREATE UNIQUE INDEX office_operators_of_subject ON office_operators (oidc_issuer, oidc_subject);
-- Until now an operator without a key was a disabled one.
UPDATE office_operators SET is_disabled = true WHERE key_hash IS NULL;

-- Logins that a browser has begun, each for one way back. `token_hash`: SHA-256 of what stands in the cookie.
CREATE TABLE office_sign_ons (
    token_hash  bytea  PRIMARY KEY CHECK (length(token_hash) = 32),
    path        text   NOT NULL,
    began_at_ms bigint NOT NULL
);
