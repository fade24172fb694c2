"""Generated pages of docs/reference that have a module each."""
