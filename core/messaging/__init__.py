"""Outbox, inbox, subscriptions and preferences."""
