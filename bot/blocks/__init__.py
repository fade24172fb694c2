"""Block Kit elements, text escaping and labels."""
