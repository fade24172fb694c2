"""Simulated servers, plans, images, keys and time."""
