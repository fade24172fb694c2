"""Requests for plans: their servers are selected, decided and stored as one question."""
