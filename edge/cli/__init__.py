"""The ``edge`` command: one module per sub-command."""
