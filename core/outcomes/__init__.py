"""What the provider's state proves about a change that was sent."""
