"""`vpsops audit verify --anchor`: what a rewritten chain cannot carry."""

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from tests.fakes.audit_trail import RECORDS, Cli, change_database
from vpsops.core.audit import chain, records
from vpsops.core.storage.tables import AUDIT, AUDIT_HEAD

HASH = "6b" * 32


def rewritten(connection: Connection) -> None:
    """Change the content of the last record, with the hash that fits it, and the head: the chain is whole again."""
    last = chain.newest(connection, 1)[0]
    text = last.text.replace("is stopped", "is running")
    digest = records.record_hash(last.previous, text)
    connection.execute(sa.update(AUDIT).where(AUDIT.c.seq == last.seq).values(record=text, hash=digest))
    connection.execute(sa.update(AUDIT_HEAD).values(hash=digest))


def cut(connection: Connection) -> None:
    """Take the last record away, and set the head."""
    last = chain.newest(connection, 1)[0]
    connection.execute(sa.delete(AUDIT).where(AUDIT.c.seq == last.seq))
    connection.execute(sa.update(AUDIT_HEAD).values(seq=last.seq - 1, hash=last.previous))


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        (rewritten, f"record {RECORDS} is not the one anchored: the trail was rewritten"),
        (cut, f"record {RECORDS} is anchored, and the trail ends at record {RECORDS - 1}: it was cut"),
    ],
)
@pytest.mark.requirement("anchors-are-verified")
def test_a_chain_that_is_whole_again_does_not_carry_its_anchor(
    stored: str, cli: Cli, tmp_path: Path, tamper: Callable[[Connection], None], what: str
) -> None:
    """Without the anchor it verifies: that is what the claim of the README is worth without one."""
    head = cli("audit", "verify").lines[-1].rpartition(" ")[2]
    pasted = tmp_path / "pasted.txt"
    pasted.write_text(f"vpsops APP  09:00\nHead of the audit trail on 2027-01-04, to verify it later: `{head}`\n")
    whole = cli("audit", "verify", "--anchor", str(pasted))
    assert (whole.code, "It carries 1 of 1 anchors." in whole.out) == (0, True)
    change_database(stored, tamper)
    assert cli("audit", "verify").code == 0
    output = cli("audit", "verify", "--anchor", str(pasted))
    assert (output.code, what in output.lines) == (1, True), output.out


@pytest.mark.usefixtures("stored")
@pytest.mark.requirement("anchors-are-verified")
def test_an_export_is_held_to_anchors_as_well(cli: Cli, tmp_path: Path) -> None:
    export, anchors = tmp_path / "trail.jsonl", tmp_path / "anchors.txt"
    export.write_text(cli("audit", "export").out)
    anchors.write_text(cli("audit", "verify").lines[-1])
    assert cli("audit", "verify", str(export), "--anchor", str(anchors)).code == 0
    anchors.write_text(f"2:{HASH}\n")
    output = cli("audit", "verify", str(export), "--anchor", str(anchors))
    assert (output.code, output.lines[0]) == (1, "record 2 is not the one anchored: the trail was rewritten")
    assert cli("audit", "verify", "-", "--anchor", "-").code != 0
