"""The outcome of a sent change, from the provider's state."""
