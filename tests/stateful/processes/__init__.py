"""Processes that stop at any point, and what happens to them in every state machine."""
