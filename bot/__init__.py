"""The Slack front end: one Bolt app, reached over Socket Mode or signed HTTP requests."""
