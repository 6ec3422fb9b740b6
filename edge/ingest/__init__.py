"""From the spool to Postgres: read, judge, store; and keep this machine's roster in step."""
