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

-- name: flag_members
-- What stands in the table now decides, so any order of arrival ends the same. At equal times the
-- recipient's word wins over what was there; what the API says is never at an equal time.
WITH due AS MATERIALIZED (
    SELECT m.list, m.address, u.active, u.at
    FROM unnest($1::integer[], $2::text[], $3::text[]) AS n (domain, address, list)
    JOIN unsubscribes u ON u.domain = n.domain AND u.address = n.address AND u.level = 2
        AND u.name = n.list
    JOIN mailing_lists l
        ON (l.address = n.list AND l.domain = n.domain)
        OR n.domain || ' ' || n.list = ANY (l.former)
    JOIN list_members m ON m.list = l.address AND m.address = n.address AND m.changed_at <= u.at
    ORDER BY m.list, m.address FOR UPDATE OF m
)
UPDATE list_members m SET subscribed = NOT due.active, changed_at = due.at
FROM due WHERE m.list = due.list AND m.address = due.address;
