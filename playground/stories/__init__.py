"""The demonstration's stories: each plays on real sockets, and ends by checking what it claimed."""
