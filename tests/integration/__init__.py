"""Tests on real parts: Postgres, processes, sockets."""
