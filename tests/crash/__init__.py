"""Whole processes, killed at random points: nothing lost, nothing done twice, everything at rest in the end."""
