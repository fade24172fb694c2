"""The subcommands about the data itself: backup, restore, shipping the audit trail."""
