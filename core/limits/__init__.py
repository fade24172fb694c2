"""Limits of a team, beside its policy: protected servers, money, counts, rates, and MCP's reach."""
