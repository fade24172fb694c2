"""Small faults put into copies of the decision modules, each to be noticed by a test."""
