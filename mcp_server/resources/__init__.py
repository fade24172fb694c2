"""Resources and subscriptions."""
