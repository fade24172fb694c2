"""Fixtures of the upgrades."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.upgrade.versions import UpgradeWorld, upgrade_world


@pytest.fixture
async def world(tmp_path: Path, empty_database_url: str) -> AsyncIterator[UpgradeWorld]:
    """A provider and an empty database."""
    async with upgrade_world(tmp_path, empty_database_url) as made:
        yield made
