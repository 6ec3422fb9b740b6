"""The Mailgun-compatible HTTP API: one module for each resource, and what they share."""
