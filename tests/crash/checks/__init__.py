"""What must hold when a crash run is at rest: of changes, plans, servers with an end, and cards."""
