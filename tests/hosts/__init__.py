"""The converters that hosts put tools through, in an environment of their own: they need what the product does not."""
