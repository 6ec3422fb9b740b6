-- name: of_message
-- Links made for each recipient differ in their URL and not in their position.
SELECT position, min(url) AS url, count(DISTINCT url) AS urls, sum(repeat)::bigint AS total,
       coalesce(sum(repeat) FILTER (WHERE bot = ''), 0)::bigint AS people,
       count(DISTINCT recipient) FILTER (WHERE bot = '') AS recipients
FROM events
WHERE domain = $1 AND message_id = $2 AND event = 'clicked'
GROUP BY position ORDER BY total DESC, position LIMIT $3;

-- name: stored
-- There is no index by Message-Id: every message would pay for it.
SELECT key FROM (
    SELECT domain, number, key, message_id, source IS NOT NULL AS kept
    FROM messages ORDER BY number DESC LIMIT $3
) m
WHERE domain = $1 AND message_id = ANY ($2) AND kept ORDER BY number DESC LIMIT 1;
