"""Runs approved changes: engine, runner, reconciler, poller."""
