"""Servers with an end: when each is stopped, who is asked before, and what became of it."""
