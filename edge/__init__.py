"""Self-hosted email tracking: the edge."""
