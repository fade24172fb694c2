"""The subcommands about runs without approval and their reviews."""
