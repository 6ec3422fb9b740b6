"""The control panel: pages made on the server, for people who would rather look than read."""
