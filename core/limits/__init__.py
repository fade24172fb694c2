"""What a team limits, beside what its policy decides: servers nobody touches, money, counts, rates, and MCP's reach."""
