-- Figures: what is counted apart, when days were rolled up, and what is known of tags.

-- Under what an event is counted: failures by how and why, a delivery that took more than one
-- attempt by that (it has a reason, but no severity), all others by their own name. Events from
-- before have no such reason, and are counted as they were.
CREATE OR REPLACE FUNCTION counted_as(event text, severity text, reason text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE
    WHEN severity IS NOT NULL THEN event || '/' || severity || '/' || reason
    WHEN reason IS NOT NULL THEN event || '/' || reason
    ELSE event END;

-- The day (UTC) of the last run of the roll-ups: how far the daily counters can be trusted.
CREATE TABLE rollup_run (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    day date NOT NULL
);

-- The roll-ups read a day of all hours. A BRIN index is written when a page fills, not with each
-- counter.
CREATE INDEX hourly_hour ON hourly USING brin (hour)
    WITH (pages_per_range = 32, autosummarize = on);

-- Daily counters are written by the roll-ups only: this costs the drain nothing.
CREATE INDEX daily_domain_day ON daily (domain, day);

-- "last_seen" is moved by the roll-ups, to the hour. A deleted tag is hidden until it is seen again.
ALTER TABLE tags ADD COLUMN last_seen timestamptz, ADD COLUMN deleted_at timestamptz;
UPDATE tags SET last_seen = first_seen;
ALTER TABLE tags ALTER COLUMN last_seen SET NOT NULL;
