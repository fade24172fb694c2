"""The logger that Bolt and the SDK get: they print whole bodies when they are talkative, so they are not."""

import logging
from typing import Final

quiet: Final = logging.getLogger("vpsops.slack")
"""Bolt copies the level of the logger it is given, so it is set here, before any app is built."""

quiet.setLevel(logging.WARNING)
