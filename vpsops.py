"""The console script."""

def main() -> int:
    """Run."""
    return 0
