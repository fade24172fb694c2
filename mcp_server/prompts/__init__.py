"""Prompts and completions."""
