"""Exact token counts, by the vocabulary itself: needs Node, so the counts are kept and a test holds them current."""
