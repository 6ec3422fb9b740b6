-- name: suppressions_page
-- Pages: the bounds are plain comparisons, so that every plan, a generic one too, reads the index
-- from the pivot on. What begins with a term lies between the term and its upper bound.
SELECT address AS value, at AS created_at, code, error FROM suppressions
WHERE domain = $1 AND kind = $2 AND active AND address >= $3
  AND address < $4 AND address > $5
ORDER BY address LIMIT $6;

-- name: suppressions_page_backwards
SELECT address AS value, at AS created_at, code, error FROM suppressions
WHERE domain = $1 AND kind = $2 AND active AND address >= $3
  AND address < $4 AND address < $5
ORDER BY address DESC LIMIT $6;

-- name: suppressions_get
SELECT address AS value, at AS created_at, code, error FROM suppressions
WHERE domain = $1 AND kind = $2 AND address = $3 AND active;

-- name: suppressions_put
-- What is said here has the last word over whatever stands there, so "at" never goes back.
WITH put AS (
    INSERT INTO suppressions AS s (domain, kind, address, at, active, code, error)
    SELECT $1, $2, n.address, n.at, true, n.code, n.error
    FROM unnest($3::text[], $4::timestamptz[], $5::text[], $6::text[]) AS n (address, at, code, error)
    WHERE NOT ($2 = 'bounce' AND EXISTS (
        SELECT 1 FROM allowlist a WHERE a.domain = $1
          AND a.value IN (n.address, split_part(n.address, '@', -1))
    ))
    ORDER BY n.address COLLATE "C"
    ON CONFLICT (domain, kind, address) DO UPDATE
    SET at = greatest(excluded.at, s.at + interval '1 microsecond'), active = true,
        code = excluded.code, error = excluded.error, event_id = '', message_id = ''
    RETURNING 1
)
SELECT count(*) FROM put;

-- name: suppressions_remove
-- From one address to another: the same for one, everything for all. Locked in key order, as
-- whoever applies events locks them.
WITH due AS MATERIALIZED (
    SELECT address FROM suppressions
    WHERE domain = $1 AND kind = $2 AND active AND address BETWEEN $3 AND $4
    ORDER BY address FOR UPDATE
), gone AS (
    UPDATE suppressions s
    SET active = false, at = greatest($5::timestamptz, s.at + interval '1 microsecond'),
        code = '', error = '', event_id = '', message_id = ''
    FROM due WHERE s.domain = $1 AND s.kind = $2 AND s.address = due.address
    RETURNING 1
)
SELECT count(*) FROM gone;

-- name: unsubscribes_page
SELECT address AS value, min(at) AS created_at, array_agg(DISTINCT name) AS tags FROM unsubscribes
WHERE domain = $1 AND active AND level IN (0, 1) AND address >= $2
  AND address < $3 AND address > $4
GROUP BY address ORDER BY address LIMIT $5;

-- name: unsubscribes_page_backwards
SELECT address AS value, min(at) AS created_at, array_agg(DISTINCT name) AS tags FROM unsubscribes
WHERE domain = $1 AND active AND level IN (0, 1) AND address >= $2
  AND address < $3 AND address < $4
GROUP BY address ORDER BY address DESC LIMIT $5;

-- name: unsubscribes_get
SELECT address AS value, min(at) AS created_at, array_agg(DISTINCT name) AS tags FROM unsubscribes
WHERE domain = $1 AND address = $2 AND active AND level IN (0, 1)
GROUP BY address;

-- name: unsubscribes_put
INSERT INTO unsubscribes AS u (domain, address, level, name, at, active, event_id, message_id)
SELECT $1, n.address, n.level, n.name, n.at, true, '', ''
FROM unnest($2::text[], $3::smallint[], $4::text[], $5::timestamptz[])
    AS n (address, level, name, at)
ORDER BY n.address COLLATE "C", n.level, n.name COLLATE "C"
ON CONFLICT (domain, address, level, name) DO UPDATE
SET at = greatest(excluded.at, u.at + interval '1 microsecond'), active = true, event_id = '',
    message_id = '';

-- name: unsubscribes_remove
WITH due AS MATERIALIZED (
    SELECT address, level, name FROM unsubscribes
    WHERE domain = $1 AND active AND level IN (0, 1) AND address BETWEEN $2 AND $3
      AND ($4::text IS NULL OR name = $4)
    ORDER BY address, level, name FOR UPDATE
), gone AS (
    UPDATE unsubscribes u
    SET active = false, at = greatest($5::timestamptz, u.at + interval '1 microsecond'),
        event_id = '', message_id = ''
    FROM due
    WHERE u.domain = $1 AND u.address = due.address AND u.level = due.level AND u.name = due.name
    RETURNING u.address
)
SELECT count(DISTINCT address) FROM gone;

-- name: allowlist_page
SELECT value, kind AS type, reason, created_at FROM allowlist
WHERE domain = $1 AND value >= $2 AND value < $3 AND value > $4
ORDER BY value LIMIT $5;

-- name: allowlist_page_backwards
SELECT value, kind AS type, reason, created_at FROM allowlist
WHERE domain = $1 AND value >= $2 AND value < $3 AND value < $4
ORDER BY value DESC LIMIT $5;

-- name: allowlist_get
SELECT value, kind AS type, reason, created_at FROM allowlist WHERE domain = $1 AND value = $2;

-- name: allowlist_put
INSERT INTO allowlist (domain, value, kind, reason, created_at)
SELECT $1, n.value, n.kind, n.reason, n.created_at
FROM unnest($2::text[], $3::text[], $4::text[], $5::timestamptz[])
    AS n (value, kind, reason, created_at)
ORDER BY n.value COLLATE "C"
ON CONFLICT (domain, value) DO UPDATE SET reason = excluded.reason;

-- name: allowlist_remove
WITH gone AS (
    DELETE FROM allowlist WHERE domain = $1 AND value BETWEEN $2 AND $3 RETURNING 1
)
SELECT count(*) FROM gone;
