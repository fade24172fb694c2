"""`vpsops backup FILE`: the database as it is in one moment, in one file, verified."""

import argparse
import os
from importlib.metadata import version
from pathlib import Path
from typing import Final

from vpsops.core.app import postgres_options_of
from vpsops.core.backup.backup_file import VerifiedBackup
from vpsops.core.backup.snapshot import BackupSource
from vpsops.core.common.clock import SystemClock
from vpsops.core.common.text import count_text, size_text
from vpsops.core.config.logging import configure_logging
from vpsops.core.config.settings import load_settings
from vpsops.core.console.terminal import cell, print_line, when
from vpsops.core.server.shutdown import interrupt_at_sigterm

GOOD, BROKEN_TRAIL = 0, 1
MOST_FAULTS: Final = 5
SUFFIX: Final = ".backup"
HOLDS: Final = (
    "It holds what the database does: names, reasons, Slack ids and messages that wait; tokens of installed workspaces"
    " as they are encrypted there."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe `vpsops backup`."""
    parser.description = (
        "Write the database as it is in one moment into FILE, while processes use it, and verify what was written: its"
        " pages, schema and rows, and the audit trail. One format for SQLite and PostgreSQL, which `vpsops restore`"
        f" puts into either. FILE is readable by its owner alone. {HOLDS}"
        " Exit code 1: written, and its trail is not whole."
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        type=backup_path,
        help=f"where to write it: a path with a folder, or a name that ends in {SUFFIX}; a file that is there stays",
    )
    parser.add_argument("--force", action="store_true", help="replace FILE, once the new backup is whole")


def backup_path(text: str) -> Path:
    """Return the path that was typed. Raises `ArgumentTypeError` for a bare word, which may be meant as a server."""
    if os.sep in text or text.endswith(SUFFIX):
        return Path(text)
    raise argparse.ArgumentTypeError(
        f"{cell(text)} may be a server: write ./{cell(text)} or {cell(text)}{SUFFIX} for a file with the database,"
        f" or 'vpsops backup-create {cell(text)}' for a backup of the server"
    )


def run(arguments: argparse.Namespace) -> int:
    """Write and verify. Raises `ConfigurationError`, `StorageError`, `BackupFileError`."""
    interrupt_at_sigterm()  # so that nothing half-written stays
    settings = load_settings()
    configure_logging(settings)
    source = BackupSource(settings.database, postgres_options_of(settings), version("vpsops"))
    backup = source.write(arguments.file, SystemClock().now(), replace=arguments.force)
    print_line(f"Written to {cell(arguments.file, 300)}, {size_text(arguments.file.stat().st_size)}:")
    return report(backup)


def report(backup: VerifiedBackup) -> int:
    """Print what a backup holds; return 1 where its trail is not whole."""
    manifest = backup.manifest
    rows = {name: table.rows for name, table in manifest.tables.items()}
    print_line(
        f"{when(manifest.taken_at)}, from {cell(manifest.source)}, vpsops {cell(manifest.version)}, schema"
        f" {cell(manifest.schema_revision)}: {count_text(rows.get('changes', 0), 'change')},"
        f" {count_text(rows.get('audit', 0), 'audit record')}, {count_text(manifest.rows, 'row')} in all, as written."
    )
    if backup.faults:
        for fault in backup.faults[:MOST_FAULTS]:
            print_line(cell(fault, 300))
        print_line(f"The audit trail in it is not whole: {count_text(len(backup.faults), 'fault')}.")
        return BROKEN_TRAIL
    print_line(f"The audit trail in it is whole up to record {manifest.seq}. Its head: {manifest.seq}:{manifest.hash}")
    return GOOD
