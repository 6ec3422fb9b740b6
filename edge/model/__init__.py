"""The vocabulary: pure values that every other package speaks in."""
