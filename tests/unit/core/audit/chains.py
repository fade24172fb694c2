"""Chains of records made in memory, their exports, and the faults found in them."""

import json
from collections.abc import Sequence
from typing import Any

from vpsops.core.audit.chain import ChainFault, ChainVerifier
from vpsops.core.audit.export import begin_line, end_line, record_line, verify_lines
from vpsops.core.audit.records import GENESIS, TrailRecord, canonical, record_hash

AT = 1_798_707_600.25


def chain(length: int, after: int = 0, digest: str = GENESIS) -> list[TrailRecord]:
    """Make that many records after one with a number and a hash."""
    records = []
    for seq in range(after + 1, after + length + 1):
        body = {"operation": "reboot", "reason": f"reason {seq} — å", "arguments": {"n": seq}}
        text = canonical(seq, AT + seq, "requested", f"chg_{seq:012}", body)
        record = TrailRecord(seq, AT + seq, "requested", f"chg_{seq:012}", text, digest, record_hash(digest, text))
        records.append(record)
        digest = record.hash
    return records


def export(records: Sequence[TrailRecord], after: int = 0, digest: str = GENESIS) -> list[str]:
    """Return the lines of an export."""
    last = records[-1] if records else None
    end = end_line(last.seq, last.hash) if last else end_line(after, digest)
    return [begin_line(after, digest), *map(record_line, records), end]


def faults(lines: Sequence[str], noted: tuple[int, str] | None = None) -> list[ChainFault]:
    """Return the faults of an export."""
    return list(verify_lines(lines, ChainVerifier(noted=noted)))


def altered(line: str, **fields: Any) -> str:
    """Return a line with some of its fields replaced."""
    return json.dumps({**json.loads(line), **fields})


def rewritten(line: str, **fields: Any) -> str:
    """Return a line with its record replaced and the hash that fits the new record."""
    content = json.loads(altered(line, **fields))
    return json.dumps({**content, "hash": record_hash(content["previous"], content["record"])})
