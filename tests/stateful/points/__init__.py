"""Processes that are stopped at every point of their work in turn."""
