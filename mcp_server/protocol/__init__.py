"""MCP frames, tasks, cursors and URIs."""
