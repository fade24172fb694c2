"""`vpsops grants`: what agents may do without votes."""
