"""`vpsops scheduled`: what runs later."""
