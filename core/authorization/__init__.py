"""Requests, votes and the checks before a change may be sent."""
