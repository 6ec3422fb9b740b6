-- Webhooks: who is called for what, and the queue of calls.

-- What an account's webhooks are signed with, sealed under the master key. A replaced key goes on
-- signing beside the new one until its time.
CREATE TABLE signing_keys (
    account integer PRIMARY KEY REFERENCES accounts,
    sealed bytea NOT NULL,
    previous bytea,
    previous_until timestamptz,
    changed_at timestamptz NOT NULL
);

-- One URL of an account, in however many domains it is configured: it is up or down as a whole.
-- "userinfo" is what stands before the @ of a URL, sealed; the same text always seals to the same
-- bytes. "retried": types that are tried again, NULL for the usual ones. "broken_until" is set by
-- the dispatcher's breaker. Rows stay: deliveries name them.
CREATE TABLE endpoints (
    id integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account integer NOT NULL REFERENCES accounts,
    url text COLLATE "C" NOT NULL,
    userinfo bytea,
    retried text[],
    paused_at timestamptz,
    broken_until timestamptz,
    is_full boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL,
    UNIQUE NULLS NOT DISTINCT (account, url, userinfo)
);

-- For which types an endpoint is called: of one domain, or (NULL) of all domains of the account.
CREATE TABLE webhooks (
    number integer PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    account integer NOT NULL REFERENCES accounts,
    domain integer REFERENCES domains,
    endpoint integer NOT NULL REFERENCES endpoints,
    types text[] NOT NULL CHECK (types <> '{}'),
    key text COLLATE "C" UNIQUE,
    description text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    CHECK ((domain IS NULL) = (key IS NOT NULL)),
    UNIQUE NULLS NOT DISTINCT (account, domain, endpoint)
);
CREATE INDEX webhooks_domain ON webhooks (domain);
CREATE INDEX webhooks_endpoint ON webhooks (endpoint);

-- One event for one endpoint; written by COPY in edge/store/webhook_queue.py, in the event's
-- transaction. It is queued while "due" is set: whoever takes it sets "holder" and moves "due"
-- behind the lease. (retention, event_at, domain, event) finds the event's row. What follows
-- "outcome" is of the last attempt.
CREATE TABLE webhook_deliveries (
    id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY,
    endpoint integer NOT NULL,
    domain integer NOT NULL,
    retention smallint NOT NULL,
    event_at timestamptz NOT NULL,
    event bytea NOT NULL,
    type text COLLATE "C" NOT NULL,
    queued_at timestamptz NOT NULL,
    due timestamptz,
    replayed boolean NOT NULL DEFAULT false,
    attempts smallint NOT NULL DEFAULT 0,
    holder text COLLATE "C" NOT NULL DEFAULT '',
    outcome text COLLATE "C",
    tried_at timestamptz,
    status smallint,
    duration_ms integer,
    answer text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT ''
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (endpoint, due) WHERE due IS NOT NULL;
CREATE INDEX webhook_deliveries_queued ON webhook_deliveries USING brin (queued_at)
    WITH (pages_per_range = 32, autosummarize = on);
