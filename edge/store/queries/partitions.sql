-- name: classes
SELECT DISTINCT retention_days FROM domains UNION SELECT 30 ORDER BY 1;

-- name: children
SELECT c.relname::text AS name
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass($1)
ORDER BY 1;

-- name: adopt_strays
UPDATE events SET retention = 30 WHERE tableoid = 'events_default'::regclass;

-- name: record_days
INSERT INTO event_days (retention, first, ending) VALUES ($1, $2, $3)
ON CONFLICT (retention) DO UPDATE SET first = excluded.first, ending = excluded.ending
WHERE (event_days.first, event_days.ending) <> (excluded.first, excluded.ending);

-- name: alarms
SELECT count(*) FROM events e JOIN pg_class c ON c.oid = e.tableoid WHERE c.relname ~ '_default$';
