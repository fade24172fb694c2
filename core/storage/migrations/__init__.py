"""Schema versions, oldest first; written by hand, never edited once released."""
