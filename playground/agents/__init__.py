"""Agents that are given a task and the tools of an MCP server: any program by a line protocol, or a script."""
