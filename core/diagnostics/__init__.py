"""Checks that `doctor` and `health` report."""
