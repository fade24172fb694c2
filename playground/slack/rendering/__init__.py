"""Block Kit limits and rendering."""
