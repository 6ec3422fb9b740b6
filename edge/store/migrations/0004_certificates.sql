-- Certificates of tracking hosts. Times in double precision are seconds since the epoch: they are
-- the certificate library's, which draws, compares and keeps them as such. Private keys are sealed
-- under the master key, each for its own row.

-- One row per host that gets its certificates by itself. "state" is all that is remembered of it,
-- but for the key of an order that runs ("order_key"). "token" changes with every holder: the fence.
CREATE SEQUENCE certificate_tokens;
CREATE TABLE certificate_hosts (
    host text PRIMARY KEY REFERENCES hosts,
    due double precision NOT NULL,
    state jsonb NOT NULL,
    order_key bytea,
    holder text NOT NULL DEFAULT '',
    token bigint NOT NULL DEFAULT nextval('certificate_tokens'),
    until double precision NOT NULL DEFAULT 0,
    requested_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 70);
CREATE INDEX certificate_hosts_due ON certificate_hosts (due);

-- What is served. "digest" is the chain's SHA-256: it tells edges whether their file is this one.
-- "healthy_since": from when on the host had a valid certificate without a gap. "max_age" is the
-- HSTS ramp's step that edges know of.
CREATE TABLE certificates (
    host text PRIMARY KEY REFERENCES hosts,
    sealed_key bytea NOT NULL,
    chain text NOT NULL,
    digest bytea NOT NULL,
    not_before double precision NOT NULL,
    not_after double precision NOT NULL,
    renewal_id text,
    imported boolean NOT NULL DEFAULT false,
    healthy_since double precision NOT NULL,
    max_age integer NOT NULL DEFAULT 0,
    stored_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX certificates_end ON certificates (not_after);

-- Seconds that browsers may be told to insist on https (HSTS): more, the longer all was well; none
-- when less than a quarter of the life is left, since then automatic renewal has failed.
CREATE FUNCTION certificate_max_age(
    healthy_since double precision, not_before double precision, not_after double precision,
    at double precision
) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN at < not_before OR not_after - at < (not_after - not_before) / 4 THEN 0
    WHEN at - healthy_since < 3600 THEN 300
    WHEN at - healthy_since < 7 * 86400 THEN 86400
    WHEN at - healthy_since < 30 * 86400 THEN 30 * 86400
    ELSE 365 * 86400 END;

-- Our accounts at authorities; "current" is the one whose thumbprint answers challenges, on edges
-- whose roster has at least the version "known_from".
CREATE TABLE acme_accounts (
    directory text PRIMARY KEY,
    key bytea NOT NULL,
    thumbprint text NOT NULL,
    url text,
    next_key bytea,
    changing_since double precision NOT NULL DEFAULT 0,
    revision bigint NOT NULL,
    known_from bigint NOT NULL DEFAULT 0,
    current boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX acme_accounts_current ON acme_accounts (current) WHERE current;

-- Budgets below the authorities' limits: the time at which each bucket is full again.
CREATE TABLE acme_budgets (
    key text COLLATE "C" PRIMARY KEY,
    level double precision NOT NULL
) WITH (fillfactor = 50);

-- When which alarm was last raised, so that it is not raised all the time.
CREATE TABLE certificate_alarms (
    subject text PRIMARY KEY,
    raised_at double precision NOT NULL
);

CREATE TRIGGER roster_changed AFTER INSERT OR UPDATE OR DELETE ON certificates
    FOR EACH STATEMENT EXECUTE FUNCTION roster_changed();
CREATE TRIGGER roster_changed AFTER INSERT OR UPDATE OR DELETE ON acme_accounts
    FOR EACH STATEMENT EXECUTE FUNCTION roster_changed();
