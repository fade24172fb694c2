"""A change: one requested run of an operation, from the request to the settled end."""
