"""JSON values, as the wire and the database hold them."""

from typing import Any

Json = Any
"""A value as JSON has it: the wire and the database hold it, decisions read typed values."""
