"""What a host starts of the bundle: `vpsops mcp`, with the configuration that its user chose."""

import sys

from vpsops.cli.main import main

sys.exit(main(["mcp"]))
