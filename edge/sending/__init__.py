"""Messages on their way out: signing, the return path, routes, the relay, and what replies mean."""
