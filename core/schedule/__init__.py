"""When a change runs: its schedule, the words it is asked for in, and what to do at a moment (pure)."""
