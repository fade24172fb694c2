"""Tool results, as data."""
