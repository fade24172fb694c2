"""MCP on a Unix socket: the kernel says who connects, and each connection is a session of its own."""
