"""Answers the handshake before the server is loaded."""
