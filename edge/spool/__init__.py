"""The durable queue between an answer and Postgres: framing, writer, reader."""
