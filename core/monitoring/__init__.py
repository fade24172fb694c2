"""Monitors of drift, provider outages and usage."""
