"""Load on apps that speak with Slack, and what stands around them."""
