"""`python -m vpsops` is the console script."""

import sys

from vpsops.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
