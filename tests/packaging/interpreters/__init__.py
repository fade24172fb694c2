"""Tries the wheels in every supported Python: `make interpreters`."""
