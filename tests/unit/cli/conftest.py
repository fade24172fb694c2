"""What commands act on: a simulated provider."""

from tests.unit.core.conftest import provider

__all__ = ["provider"]
