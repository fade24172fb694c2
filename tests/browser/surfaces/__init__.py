"""Samples of everything that people see in Slack."""
