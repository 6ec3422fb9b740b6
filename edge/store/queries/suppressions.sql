-- name: apply
INSERT INTO suppressions AS s (domain, kind, address, at, active, code, error, event_id, message_id)
SELECT n.domain, n.kind, n.address, n.at, n.active, n.code, n.error, n.event_id, n.message_id
FROM unnest(
    $1::integer[], $2::text[], $3::text[], $4::timestamptz[], $5::boolean[], $6::text[],
    $7::text[], $8::bytea[], $9::text[]
) AS n (domain, kind, address, at, active, code, error, event_id, message_id)
WHERE NOT (n.kind = 'bounce' AND n.active AND EXISTS (
    SELECT 1 FROM allowlist a WHERE a.domain = n.domain
      AND a.value IN (n.address, split_part(n.address, '@', -1))
))
ON CONFLICT (domain, kind, address) DO UPDATE
SET at = excluded.at, active = excluded.active, code = excluded.code, error = excluded.error,
    event_id = excluded.event_id, message_id = excluded.message_id
WHERE (excluded.at, excluded.event_id) > (s.at, s.event_id);

-- name: blocking
-- What stands against an address: bounce, complaint, and unsubscribes with the name of the tag.
SELECT n.place, b.kind AS why, '' AS name
FROM unnest($1::integer[], $2::text[]) WITH ORDINALITY AS n (domain, address, place)
JOIN suppressions b ON b.domain = n.domain AND b.kind IN ('bounce', 'complaint')
    AND b.address = n.address AND b.active
WHERE b.kind <> 'bounce' OR NOT EXISTS (
    SELECT 1 FROM allowlist a WHERE a.domain = n.domain
      AND a.value IN (n.address, split_part(n.address, '@', -1))
)
UNION ALL
SELECT n.place, CASE u.level WHEN 0 THEN 'unsubscribe' ELSE 'tag' END, u.name
FROM unnest($1::integer[], $2::text[]) WITH ORDINALITY AS n (domain, address, place)
JOIN unsubscribes u ON u.domain = n.domain AND u.address = n.address AND u.level IN (0, 1)
    AND u.active
UNION ALL
SELECT n.place, 'unsubscribe', ''
FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS n (address, list, place)
JOIN list_members m ON m.list = n.list AND m.address = n.address AND NOT m.subscribed
WHERE n.list <> '';
