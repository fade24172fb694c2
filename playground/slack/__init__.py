"""A simulated Slack workspace speaking Slack's protocols over sockets, with Slack's limits enforced."""
