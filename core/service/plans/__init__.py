"""Requests about several servers, plans and grants: each is selected, decided and stored as one question."""
