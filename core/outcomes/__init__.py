"""What the provider's state says about a change that was sent."""
