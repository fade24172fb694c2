"""How requests reach the API: transport, retries, redirects, errors."""
