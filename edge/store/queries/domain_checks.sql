-- name: put
INSERT INTO domain_checks AS held (domain, checked_at, states, findings)
VALUES ($1, $2, $3::jsonb, $4::jsonb)
ON CONFLICT (domain) DO UPDATE SET checked_at = excluded.checked_at, states = excluded.states,
       findings = excluded.findings
WHERE held.checked_at <= excluded.checked_at;

-- name: get
SELECT checked_at, states::text AS states, findings::text AS findings FROM domain_checks
WHERE domain = $1 AND checked_at > $2;
