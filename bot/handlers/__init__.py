"""Handlers of Slack's interactions."""
