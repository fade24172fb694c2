"""Where the programs that people talk to assistants in keep their MCP servers, and how ours gets in and out again."""
