"""Real processes, killed; the proof of "answered means recorded"."""
