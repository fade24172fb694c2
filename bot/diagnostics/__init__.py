"""Checks of the Slack side that `doctor` reports."""
