"""A record is whole when its text matches its hash and each column matches the text, checked column by column."""

from dataclasses import replace
from typing import Any

import pytest

from vpsops.core.audit.records import TrailRecord, canonical, is_whole, record_hash

TEXT = canonical(7, 12.5, "sent", "chg_1", {"why": "x"})
RECORD = TrailRecord(7, 12.5, "sent", "chg_1", TEXT, "before", record_hash("before", TEXT))


def test_a_record_as_it_was_written_is_whole() -> None:
    assert is_whole(RECORD)


@pytest.mark.requirement("audit-shows-tampering")
@pytest.mark.parametrize(
    "altered",
    [
        {"seq": 8},
        {"at": 12.6},
        {"event": "confirmed"},
        {"change_id": "chg_2"},
        {"change_id": None},
        {"text": TEXT.replace("x", "y")},
        {"previous": "other"},
        {"hash": record_hash("other", TEXT)},
    ],
)
def test_a_record_of_which_anything_was_altered_is_not(altered: dict[str, Any]) -> None:
    assert not is_whole(replace(RECORD, **altered))
