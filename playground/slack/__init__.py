"""A simulated Slack workspace that speaks Slack's real protocols over sockets."""
