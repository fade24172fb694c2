"""Runs VPSes from Slack and from AI assistants, with approvals that fail closed."""
