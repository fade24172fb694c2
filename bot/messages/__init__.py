"""Messages, as Block Kit."""
