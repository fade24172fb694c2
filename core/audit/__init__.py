"""The audit trail: a chain of entries, queries and export."""
