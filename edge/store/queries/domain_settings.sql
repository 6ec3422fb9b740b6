-- name: get
SELECT created_at, html_footer, text_footer, spam_action, wildcard, require_tls,
       skip_verification, message_ttl, archive_to
FROM domains WHERE number = $1;

-- name: lock
SELECT number FROM domains WHERE number = $1 FOR UPDATE;

-- name: set
UPDATE domains SET html_footer = $2, text_footer = $3, spam_action = $4, wildcard = $5,
       require_tls = $6, skip_verification = $7, message_ttl = $8, archive_to = $9
WHERE number = $1;

-- name: default_footers
UPDATE domains SET html_footer = DEFAULT, text_footer = DEFAULT WHERE number = $1;

-- name: page
SELECT number, name, web_prefix, web_scheme, open, click, unsubscribe, pixel_at_top,
       unsubscribe_on_get, https_redirect, retention_days, false AS removed, created_at,
       html_footer, text_footer, spam_action, wildcard, require_tls, skip_verification, message_ttl, archive_to
FROM domains
WHERE removed_at IS NULL AND ($1::integer IS NULL OR number = $1)
  AND ($2::text = '' OR position($2 IN name) > 0)
ORDER BY CASE WHEN $3 = 'desc' THEN name END DESC, CASE WHEN $3 = 'asc' THEN name END,
         CASE WHEN $3 = '' THEN created_at END DESC, number DESC
LIMIT $4 OFFSET $5;

-- name: count
SELECT count(*) FROM domains
WHERE removed_at IS NULL AND ($1::integer IS NULL OR number = $1)
  AND ($2::text = '' OR position($2 IN name) > 0);
