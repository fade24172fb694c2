"""Runbooks: plans of different operations, from a file with arguments."""
