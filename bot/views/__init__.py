"""Modals and App Home, as Block Kit."""
