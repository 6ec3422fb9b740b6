-- name: suppressions
SELECT address, event_id, message_id FROM suppressions
WHERE domain = $1 AND kind = $2 AND address = ANY ($3) AND active;

-- name: unsubscribes
SELECT DISTINCT ON (address) address, event_id, message_id FROM unsubscribes
WHERE domain = $1 AND address = ANY ($2) AND active AND level IN (0, 1)
ORDER BY address, event_id = '', at;

-- name: counts
SELECT (SELECT count(*) FROM (SELECT 1 FROM suppressions WHERE domain = $1 AND kind = 'bounce' AND active LIMIT $2) a) AS bounces,
       (SELECT count(*) FROM (SELECT 1 FROM suppressions WHERE domain = $1 AND kind = 'complaint' AND active LIMIT $2) b) AS complaints,
       (SELECT count(*) FROM (SELECT DISTINCT address FROM unsubscribes WHERE domain = $1 AND active AND level IN (0, 1) LIMIT $2) c) AS unsubscribes,
       (SELECT count(*) FROM (SELECT 1 FROM allowlist WHERE domain = $1 LIMIT $2) d) AS whitelists;
