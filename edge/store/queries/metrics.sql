-- name: late_days
SELECT day FROM late_days;

-- name: classes
SELECT c.retention, c.first, c.ending,
       coalesce((SELECT array_agg(r.day) FROM rolled_days r
                 WHERE r.retention = c.retention AND r.day >= (c.first AT TIME ZONE 'UTC')::date),
                '{}') AS rolled
FROM event_days c;

-- name: retentions
SELECT DISTINCT retention_days FROM domains WHERE number = ANY ($1);
