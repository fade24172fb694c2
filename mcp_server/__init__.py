"""The MCP front end: one server object, served over stdio and Streamable HTTP, on both protocol eras."""
