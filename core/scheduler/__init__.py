"""Starts scheduled changes at their time, once, or ends them."""
