"""`vpsops ends` and `vpsops keep`: servers that end by themselves."""
