"""The operations at the terminal: each subcommand is derived from its entry in the registry."""
