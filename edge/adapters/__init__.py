"""Parts of the composition root: what belongs to the machine rather than to a station."""
