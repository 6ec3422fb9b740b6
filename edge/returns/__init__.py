"""What comes back: bytes of a returned mail to a verdict with its evidence. Pure, and bounded."""
