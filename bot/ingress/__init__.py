"""Requests from Slack: verification, admission, order."""
