"""Webhooks: signed POSTs of events to the endpoints of a domain or account."""
