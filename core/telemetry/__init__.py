"""Metrics and traces of one process; nothing here is shared between two compositions of it."""
