"""The parser of slash commands."""
