"""Backups of the database in one portable file, and putting one back."""
