-- Messages on their way out: what was accepted, the queue, what became of each copy, and what
-- blocks a recipient.

-- The DKIM key of each domain, sealed under the master key; "selector" is part of its DNS name.
CREATE TABLE dkim_keys (
    domain integer PRIMARY KEY REFERENCES domains,
    selector text NOT NULL,
    sealed bytea NOT NULL,
    created_at timestamptz NOT NULL
);

-- "route" is sealed, since it may hold a password; NULL is the installation's (EDGE_ROUTE).
ALTER TABLE domains ADD COLUMN route bytea;

-- Numbers of messages and deliveries: a process takes a block of 1,024 at once, so that accepting a
-- message asks for none.
CREATE SEQUENCE sending_numbers INCREMENT BY 1024 MINVALUE 1024 START WITH 1024;

-- One message as it was handed in, before anything was put into it. "source" goes after its days,
-- the row stays as long as the message's facts. Random keys: whoever has one may read the message.
-- Mail does not compress in the database (EXTERNAL): most of a large one is base64, and pglz costs
-- more than the rest of accepting a message.
CREATE TABLE messages (
    number bigint PRIMARY KEY,
    domain integer NOT NULL,
    key text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    accepted_at timestamptz NOT NULL,
    sender text NOT NULL,
    source bytea,
    options jsonb NOT NULL
);
ALTER TABLE messages ALTER COLUMN source SET STORAGE EXTERNAL;
CREATE UNIQUE INDEX messages_key ON messages (key);
CREATE INDEX messages_accepted ON messages USING brin (accepted_at);

-- One copy of a message for one recipient. It is queued while "due" is set: nobody may touch it
-- before that time. Whoever takes it sets "holder" and moves "due" behind the lease. "id" is what a
-- return path is made of.
CREATE TABLE deliveries (
    id bigint PRIMARY KEY,
    message bigint NOT NULL,
    domain integer NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    name text NOT NULL DEFAULT '',
    variables jsonb,
    accepted_at timestamptz NOT NULL,
    due timestamptz,
    expires_at timestamptz NOT NULL,
    attempts smallint NOT NULL DEFAULT 0,
    holder text COLLATE "C" NOT NULL DEFAULT '',
    finished_at timestamptz,
    outcome text
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX deliveries_due ON deliveries (domain, due) WHERE due IS NOT NULL;
CREATE INDEX deliveries_held ON deliveries (holder) WHERE holder <> '';
CREATE INDEX deliveries_message ON deliveries (message);
CREATE INDEX deliveries_accepted ON deliveries USING brin (accepted_at);

-- Finished messages of domains whose route is the sandbox: to be looked at instead of sent.
CREATE TABLE outbox (
    delivery bigint PRIMARY KEY,
    domain integer NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    sender text NOT NULL,
    message bytea NOT NULL
);
CREATE INDEX outbox_domain ON outbox (domain, at, delivery);

-- Bounces and complaints that block an address; with tombstones, as unsubscribes.
CREATE TABLE suppressions (
    domain integer NOT NULL,
    kind text COLLATE "C" NOT NULL CHECK (kind IN ('bounce', 'complaint')),
    address text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    active boolean NOT NULL,
    code text NOT NULL DEFAULT '',
    error text NOT NULL DEFAULT '',
    event_id bytea NOT NULL DEFAULT '',
    message_id text COLLATE "C" NOT NULL DEFAULT '',
    PRIMARY KEY (domain, kind, address)
);

-- What may not be put on the bounce list: addresses, or whole domains.
CREATE TABLE allowlist (
    domain integer NOT NULL,
    value text COLLATE "C" NOT NULL,
    kind text NOT NULL CHECK (kind IN ('address', 'domain')),
    reason text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    PRIMARY KEY (domain, value)
);

-- Tags that a domain has used; how many it may have is a setting.
CREATE TABLE tags (
    domain integer NOT NULL,
    tag text COLLATE "C" NOT NULL,
    description text NOT NULL DEFAULT '',
    first_seen timestamptz NOT NULL,
    PRIMARY KEY (domain, tag)
);

-- "former" are addresses that the list had, each behind its domain's number and a space:
-- unsubscribe links in mail already sent name them.
CREATE TABLE mailing_lists (
    address text COLLATE "C" PRIMARY KEY,
    former text[] NOT NULL DEFAULT '{}',
    domain integer NOT NULL REFERENCES domains,
    name text NOT NULL DEFAULT '',
    description text NOT NULL DEFAULT '',
    access_level text NOT NULL DEFAULT 'readonly'
        CHECK (access_level IN ('readonly', 'members', 'everyone')),
    reply_preference text NOT NULL DEFAULT 'list' CHECK (reply_preference IN ('list', 'sender')),
    created_at timestamptz NOT NULL
);
CREATE INDEX mailing_lists_domain ON mailing_lists (domain, address);

CREATE TABLE list_members (
    list text COLLATE "C" NOT NULL REFERENCES mailing_lists ON DELETE CASCADE ON UPDATE CASCADE,
    address text COLLATE "C" NOT NULL,
    name text NOT NULL DEFAULT '',
    vars jsonb NOT NULL DEFAULT '{}',
    subscribed boolean NOT NULL DEFAULT true,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (list, address)
);

-- "by_recipient": user variables of single recipients where they differ. "about": attachments and
-- size of the message, and its recipients where it had several.
ALTER TABLE message_facts
    ADD COLUMN by_recipient jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN about jsonb NOT NULL DEFAULT '{}';

-- Under what an event is counted: failures by how and why, all others by their own name.
CREATE FUNCTION counted_as(event text, severity text, reason text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN severity IS NULL THEN event ELSE event || '/' || severity || '/' || reason END;
