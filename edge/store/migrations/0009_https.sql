-- Whether pages meant for people move from http to https on a domain's hosts, where that is sure to
-- work. The trigger on domains tells edges of changes.
ALTER TABLE domains ADD COLUMN https_redirect boolean NOT NULL DEFAULT true;

-- What authorities say of themselves, as it was last read: the names by which CAA records let them
-- issue (RFC 8555 section 7.1.1, RFC 8659). Nothing of a host is begun before "paused_until"
-- (seconds since the epoch): somebody changes the account's key.
CREATE TABLE acme_authorities (
    directory text PRIMARY KEY,
    caa_identities text[] NOT NULL DEFAULT '{}',
    noted_at timestamptz,
    paused_until double precision NOT NULL DEFAULT 0
);
