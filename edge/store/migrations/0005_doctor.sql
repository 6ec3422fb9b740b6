-- The last examination of each domain: the state of its DNS records, as the API shows it.
-- "states" is a list of records with type, name, value, valid and cached; "findings" what was
-- wrong.
CREATE TABLE domain_checks (
    domain integer PRIMARY KEY REFERENCES domains ON DELETE CASCADE,
    checked_at timestamptz NOT NULL,
    states jsonb NOT NULL,
    findings jsonb NOT NULL
);
