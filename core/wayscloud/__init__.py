"""A typed client of the WAYSCloud VPS API that reads every documented dialect."""
