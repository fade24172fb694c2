"""One simulated account and its resources."""
