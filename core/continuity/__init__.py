"""Checks that the store did not go back: heads, lineage, anchors."""
