"""State of a simulated workspace."""
