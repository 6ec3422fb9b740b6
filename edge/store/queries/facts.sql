-- name: add
INSERT INTO message_facts AS f (domain, message_id, at, tags, user_variables, headers, mailing_list,
                                by_recipient, about)
SELECT r.domain, r.message_id, to_timestamp(r.at / 1e6), r.tags, r.user_variables, r.headers,
       r.mailing_list, r.by_recipient, r.about
FROM jsonb_to_recordset($1::jsonb) AS r (
    domain integer, message_id text, at bigint, tags text[], user_variables jsonb, headers jsonb,
    mailing_list text, by_recipient jsonb, about jsonb
)
ORDER BY r.domain, r.message_id
ON CONFLICT (domain, message_id) DO UPDATE
SET at = excluded.at, tags = excluded.tags, user_variables = excluded.user_variables,
    headers = excluded.headers, mailing_list = excluded.mailing_list,
    by_recipient = excluded.by_recipient, about = excluded.about
WHERE f.at <= excluded.at
  AND (f.tags, f.user_variables, f.headers, f.mailing_list, f.by_recipient, f.about)
      IS DISTINCT FROM
      (excluded.tags, excluded.user_variables, excluded.headers, excluded.mailing_list,
       excluded.by_recipient, excluded.about);

-- name: find
SELECT u.place, array_send(f.tags) AS tags
FROM unnest($1::text::integer[], $2::text[]) WITH ORDINALITY AS u (domain, message_id, place)
JOIN message_facts f ON f.domain = u.domain AND f.message_id = u.message_id;

-- name: expire
DELETE FROM message_facts WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM message_facts WHERE created_at < $1 LIMIT $2
));
