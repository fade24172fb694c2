"""Server-sent events of the playground."""
