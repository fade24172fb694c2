"""The toolset of servers with an end."""
