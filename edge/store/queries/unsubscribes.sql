-- name: apply
INSERT INTO unsubscribes AS u (domain, address, level, name, at, active, event_id, message_id)
SELECT n.domain, n.address, n.level, n.name, n.at, n.active, n.event_id, n.message_id
FROM unnest(
    $1::integer[], $2::text[], $3::smallint[], $4::text[], $5::timestamptz[], $6::boolean[],
    $7::bytea[], $8::text[]
) AS n (domain, address, level, name, at, active, event_id, message_id)
ON CONFLICT (domain, address, level, name) DO UPDATE
SET at = excluded.at, active = excluded.active, event_id = excluded.event_id,
    message_id = excluded.message_id
WHERE (excluded.at, excluded.event_id) > (u.at, u.event_id);

-- name: list
SELECT address, level, name, at, event_id, message_id FROM unsubscribes
WHERE domain = $1 AND active ORDER BY address, level, name;
