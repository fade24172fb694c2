"""Commands and queries that front ends call."""
