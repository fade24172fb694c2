"""Values that are refused: by the label that people know, in plain words, with what the operation takes."""

from typing import Any

import pytest

from vpsops.core.authorization.submission import checked
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.operations import OPERATIONS

POLICY = {"server": "web01", "frequency": "daily", "time_of_day": "03:00"}


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("backup_policy_set", POLICY | {"time_of_day": "25:00"}, "Time: a time is written as HH:MM, in UTC."),
        ("backup_policy_set", POLICY | {"retention_days": 99}, "Days kept: is at most 90."),
        ("backup_policy_set", POLICY | {"retention_days": 0}, "Days kept: is at least 1."),
        ("backup_policy_set", POLICY | {"retention_days": "14 days"}, "Days kept: is a whole number."),
        ("backup_policy_set", POLICY | {"frequency": "hourly"}, "Frequency: is daily or weekly."),
        ("backup_policy_set", POLICY | {"day_of_week": "monday"}, "Day: a day is for a weekly backup only."),
        ("snapshot_create", {"server": "web01", "snapshot": "x" * 65}, "Snapshot: has at most 64 characters."),
        ("snapshot_rollback", {"server": "web01"}, "Snapshot: is missing."),
        ("stop", {"server": "web01", "force": True}, "force: there is no such argument."),
        ("stop", {"server": ["web01"]}, "Server: is text."),
    ],
)
def test_a_value_is_refused_at_its_field(name: str, arguments: dict[str, Any], words: str) -> None:
    """No word of the library that checks it, and no name of ours."""
    operation = OPERATIONS[name]
    with pytest.raises(InvalidInputError) as refused:
        checked(operation, arguments)
    assert refused.value.message == words
    assert refused.value.hint.startswith(f"{operation.word} takes: SERVER")
