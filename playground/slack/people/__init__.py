"""Simulated people who click and type."""
