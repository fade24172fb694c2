"""Installations, tokens, accounts and memberships."""
