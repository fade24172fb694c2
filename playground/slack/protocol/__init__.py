"""Requests and payloads of the Slack API."""
