"""The wheel: what it puts into a Python, and that it lives there beside strangers."""
