"""`vpsops policy`."""
