"""Bearer tokens, OAuth and access."""
