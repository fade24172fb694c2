"""What a team limits, beside what its policy decides: servers no one touches, money, counts, rates, and MCP's reach."""
