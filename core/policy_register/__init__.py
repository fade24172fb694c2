"""The policy in force: its versions in the database and how they are applied."""
