"""One simulated account and what it owns."""
