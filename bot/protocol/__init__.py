"""Slack payloads, action ids and command words."""
