"""Methods and transports of the Slack API."""
