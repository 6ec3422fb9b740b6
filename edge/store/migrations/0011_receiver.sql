-- The control panel's pages of webhooks: what they look for, and a receiver for trying things out.

-- Since when an endpoint is down; "broken_until" moves with each probe.
ALTER TABLE endpoints ADD COLUMN broken_at timestamptz;

-- From an event to what became of its webhooks.
CREATE INDEX webhook_deliveries_event ON webhook_deliveries (event);

-- A URL that takes anybody's POSTs for a while. "digest" is the SHA-256 of its secret part, by
-- which it is found; "sealed" the secret itself, for the page that shows it.
CREATE TABLE receivers (
    account integer PRIMARY KEY REFERENCES accounts,
    digest bytea NOT NULL UNIQUE,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

-- The last of those POSTs. "mailgun" and "whole" are the verdicts on the signature in the body and
-- on the one of the body in a header.
CREATE TABLE receipts (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account integer NOT NULL REFERENCES receivers ON DELETE CASCADE,
    at timestamptz NOT NULL,
    address text NOT NULL,
    headers text NOT NULL,
    body bytea NOT NULL,
    mailgun text COLLATE "C" NOT NULL,
    whole text COLLATE "C" NOT NULL
);
CREATE INDEX receipts_account ON receipts (account, id);
