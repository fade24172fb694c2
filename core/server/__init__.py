"""HTTP serving, health and shutdown of processes."""
