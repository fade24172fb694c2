"""What a reload does with each setting: one table, which every setting is in."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from vpsops.core.config.reload_table import (
    DECIDED,
    FRONT_DOORS,
    RELOADED,
    Reloadability,
    merge_settings,
    reloadability,
)
from vpsops.core.config.settings import Settings, load_settings
from vpsops.core.policy_register.document import DECIDING

ATTRIBUTES = {str(field.alias): attribute for attribute, field in Settings.model_fields.items()}


def other_value(attribute: str) -> Any:
    """Return a value that a setting does not have by default."""
    annotation = str(Settings.model_fields[attribute].annotation)
    if "SecretStr" in annotation:
        return SecretStr("another-secret-0123456789")
    if "Path" in annotation:
        return Path("/another/file")
    return 7 if annotation == "<class 'int'>" else "another"


def base() -> Settings:
    """Return settings with the front doors' secrets, without which another value would be a first one."""
    return Settings.model_validate(dict.fromkeys(FRONT_DOORS, "first-secret-0123456789"))


@pytest.mark.requirement("reload-all-or-nothing")
@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_another_value_counts_exactly_where_the_table_says_so(name: str) -> None:
    """What needs a restart is named and keeps its value; all else is taken, and named as changed."""
    current, attribute = base(), ATTRIBUTES[name]
    candidate = current.model_copy(update={attribute: other_value(attribute)})
    if name == "VPSOPS_CONFIG":
        candidate.keep(current.config_file)
        candidate = candidate.model_copy(update={"config": Path("/another/file")})
        candidate.keep(type(current.config_file)("/another/file", {}, ()))
    merged = merge_settings(current, candidate)
    kept = getattr(merged.settings, attribute) == getattr(current, attribute)
    needs_restart = reloadability(name) is Reloadability.RESTART
    assert (kept, merged.restart, merged.changed) == (
        needs_restart,
        (name,) if needs_restart else (),
        () if needs_restart else (name,),
    )


@pytest.mark.parametrize("name", sorted(ATTRIBUTES))
def test_a_kept_setting_is_declared_as_it_was(name: str) -> None:
    """Whether it was set at all stays as it was too, as that decides what the process declares."""
    current, attribute = base(), ATTRIBUTES[name]
    if reloadability(name) is not Reloadability.RESTART or name == "VPSOPS_CONFIG":
        return
    candidate = current.model_copy(update={attribute: other_value(attribute)})
    assert attribute in candidate.model_fields_set
    assert attribute not in merge_settings(current, candidate).settings.model_fields_set
    assert attribute in merge_settings(candidate, current).settings.model_fields_set


@pytest.mark.parametrize("name", sorted(FRONT_DOORS))
def test_a_front_door_that_appears_or_goes_needs_a_restart(name: str) -> None:
    """What a process serves is chosen at its start."""
    with_it, without = base(), base().model_copy(update={ATTRIBUTES[name]: None})
    assert merge_settings(with_it, without).restart == (name,)
    assert merge_settings(without, with_it).restart == (name,)


def test_the_table_names_settings_once() -> None:
    """Every name is one of a setting, in one part of the table; those that decide are the register's."""
    assert not RELOADED & DECIDED
    assert set(ATTRIBUTES) >= RELOADED | DECIDED | FRONT_DOORS
    assert set(DECIDING) == DECIDED


USERS = '[mcp.socket.users]\n4001 = "ann@example.com"\n'
LATE, NOW = (("[mcp]",), ()), ((), ("mcp",))


@pytest.mark.parametrize(
    ("before", "after", "parts"),
    [
        ('[mcp.socket]\nmode = "0660"\n', '[mcp.socket]\nmode = "0600"\n', LATE),
        ("", '[mcp.socket]\ngroup = "daemon"\n', LATE),
        (USERS, USERS.replace("ann", "bob"), NOW),
        (USERS, "", NOW),
        ("", USERS, NOW),
        ("", '[mcp.socket]\nunmapped = "read"\n', NOW),
        (USERS, f'[mcp.socket]\nmode = "0600"\n{USERS.replace("ann", "bob")}', (("[mcp]",), ("mcp",))),
        ("", "[mcp]\nsocket = 5\n", LATE),
        ("", "mcp = 5\n", LATE),
        (USERS, f"# a note\n{USERS}", ((), ())),
        ("", "[mcp.socket]\n", ((), ())),
    ],
)
def test_the_sockets_users_are_taken_and_its_file_needs_a_restart(
    tmp_path: Path, before: str, after: str, parts: tuple[tuple[str, ...], tuple[str, ...]]
) -> None:
    """What is read at the start alone is named so, and not as something that was taken."""
    file = tmp_path / "vpsops.toml"
    readings = []
    for text in (before, after):
        file.write_text(text, encoding="utf-8")
        readings.append(load_settings({"VPSOPS_CONFIG": str(file)}))
    merged = merge_settings(*readings)
    assert (merged.restart, merged.sections) == parts
