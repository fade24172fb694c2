"""SQLite's files, and reads of them that need no SQLAlchemy: a process that only reads does without it."""
