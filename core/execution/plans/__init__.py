"""Runs plans: begins their members one after another, waits for each, and says how far they are."""
