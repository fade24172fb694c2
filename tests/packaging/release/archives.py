"""Archives whose bytes follow from their files and one time: sorted names, no owners, no rights but read and run."""

import gzip
import tarfile
import time
import zipfile
from pathlib import Path
from typing import Final

OWNER_RUNS: Final = 0o100
READABLE, RUNNABLE = 0o644, 0o755


def write_tar(folder: Path, target: Path, epoch: int, prefix: str = "") -> None:
    """Write a folder's files as a tar archive, gzipped where its name ends in gz."""
    with target.open("wb") as raw:
        if target.suffix in {".gz", ".tgz"}:
            with gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=epoch) as packed:
                _write_members(packed, folder, epoch, prefix)
        else:
            _write_members(raw, folder, epoch, prefix)


def _write_members(target: object, folder: Path, epoch: int, prefix: str) -> None:
    with tarfile.open(fileobj=target, mode="w", format=tarfile.USTAR_FORMAT) as archive:  # type: ignore[call-overload]
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = tarfile.TarInfo(f"{prefix}{path.relative_to(folder).as_posix()}")
            info.size, info.mtime, info.mode = path.stat().st_size, epoch, _mode(path)
            with path.open("rb") as file:
                archive.addfile(info, file)


def normalise_zip(source: Path, target: Path, epoch: int) -> None:
    """Write a zip archive's files again, in the order of their names and with one time."""
    moment = time.gmtime(epoch)[:6]
    with zipfile.ZipFile(source) as given, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as written:
        for name in sorted(name for name in given.namelist() if not name.endswith("/")):
            info = zipfile.ZipInfo(name, moment)
            info.external_attr = (0o100000 | READABLE) << 16
            written.writestr(info, given.read(name), zipfile.ZIP_DEFLATED)


def _mode(path: Path) -> int:
    return RUNNABLE if path.stat().st_mode & OWNER_RUNS else READABLE
