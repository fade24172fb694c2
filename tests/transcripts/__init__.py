"""Writes docs/transcripts: what goes over the wire when an agent's change is decided. `python -m tests.transcripts`."""
