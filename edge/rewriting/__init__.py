"""Instrumenting: pixel, tracked links and unsubscribe links put into a message, byte for byte."""
