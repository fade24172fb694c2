"""Operator scenarios that an agent plays over our MCP server and the simulated provider: `python -m tests.evals`."""
