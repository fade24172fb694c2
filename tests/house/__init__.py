"""Lint of the style in CONTRIBUTING.md: counts of what it advises against, each with a ceiling that may only go down.

`ceilings.toml` has the counts of the day they were taken. A test fails where a count is above its ceiling, and where it
is more than a tenth below: then `python -m tests.house` writes the lower one. `make check` runs these tests.
"""
