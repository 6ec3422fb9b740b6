"""The roster: hostnames, keys and switches as a snapshot that outlives Postgres."""
