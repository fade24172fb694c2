"""Requests to the API: transport, retries, redirects, errors."""
