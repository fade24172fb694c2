"""Slack workspaces and what they may see."""
