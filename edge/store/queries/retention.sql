-- name: classes
SELECT e.retention, EXISTS (SELECT 1 FROM domains d WHERE d.retention_days = e.retention) AS used
FROM event_days e ORDER BY 1;

-- name: narrow
UPDATE event_days SET first = $2 WHERE retention = $1 AND first < $2;

-- name: forget_class
DELETE FROM event_days WHERE retention = $1;

-- name: expire_hourly
-- Never what the next run of the roll-ups still has to add up.
DELETE FROM hourly WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM hourly
    WHERE hour < least($1, (SELECT (day - 2)::timestamp AT TIME ZONE 'UTC' FROM rollup_run))
    LIMIT $2
));

-- name: expire_daily
DELETE FROM daily WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM daily WHERE day < ($1 AT TIME ZONE 'UTC')::date LIMIT $2
));

-- name: expire_dimensions
DELETE FROM daily_dimensions WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM daily_dimensions WHERE day < ($1 AT TIME ZONE 'UTC')::date LIMIT $2
));

-- name: expire_uniques
DELETE FROM uniques WHERE ctid = ANY (ARRAY(SELECT ctid FROM uniques WHERE until < $1 LIMIT $2));

-- name: expire_offsets
DELETE FROM spool_offsets WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM spool_offsets WHERE updated < $1 LIMIT $2
));

-- name: expire_rolled_days
DELETE FROM rolled_days WHERE day < ($1 AT TIME ZONE 'UTC')::date;
