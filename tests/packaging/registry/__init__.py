"""What registries and hosts read of the MCP server: the registry's entry, and the bundle that hosts install."""
