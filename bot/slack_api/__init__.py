"""The client of Slack's Web API: limits, errors and retries."""
