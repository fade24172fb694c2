"""The Streamable HTTP endpoint."""
