"""A backup that is opened to be restored: the file that was verified, of this version or an earlier one."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.unit.core.backup.backups import backed_up, made
from tests.unit.core.storage import samples
from vpsops.core.backup.backup_file import BackupFileError, VerifiedBackup, opened_current
from vpsops.core.storage.schema import OutdatedError
from vpsops.core.storage.tables import CHANGES, SWITCHES


@pytest.mark.parametrize("revision", ["head", "0014"])
def test_a_file_that_was_replaced_since_it_was_verified_is_not_restored(tmp_path: Path, revision: str) -> None:
    """A person is asked in between, and a timer may write the next backup over it."""
    source = f"sqlite:///{tmp_path / 'source.sqlite3'}"
    made(source, revision)
    path = tmp_path / "db.backup"
    backup = backed_up(source, path)
    with opened_current(path, backup) as connection:
        assert connection.scalar(sa.select(CHANGES.c.id)) == samples.CHANGE.id
    with sa.create_engine(source).begin() as connection:
        connection.execute(sa.delete(SWITCHES))
    backed_up(source, path, replace=True)
    with pytest.raises(BackupFileError, match="another one than was verified"), opened_current(path, backup):
        pass


async def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    backup = VerifiedBackup.model_construct(manifest=None, status="newer", faults=())
    with pytest.raises(OutdatedError), opened_current(tmp_path / "db.backup", backup):
        pass
