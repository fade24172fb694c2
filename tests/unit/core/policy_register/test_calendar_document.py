"""Windows and freezes in the policy that the database holds: the same for every process, and compared when applied."""

from pathlib import Path

import pytest

from vpsops.core.config.settings import Settings
from vpsops.core.policy_register.declaration import declaration_of
from vpsops.core.policy_register.difference import changed_lines, meaning_lines
from vpsops.core.policy_register.document import Document, document_from, ruleset_from
from vpsops.core.policy_register.file_text import file_text

RULE = '[[rule]]\nid = "all"\ndecision = "allow"\nrisk = ["read", "change", "disruptive"]\n'
WINDOW = (
    '[[window]]\nname = "nightly"\nhours = ["Mon-Fri 01:00-04:00"]\ntime_zone = "Europe/Oslo"\n'
    'server = ["WEB*", "app*"]\n'
)
FREEZE = (
    '[[freeze]]\nname = "year-end"\nfrom = "2026-12-20"\nto = "2027-01-04"\ntime_zone = "Europe/Oslo"\nserver = "db*"\n'
)


def document(tmp_path: Path, text: str) -> Document:
    file = tmp_path / "vpsops.toml"
    file.write_text(text)
    return declaration_of(Settings.model_validate({"VPSOPS_CONFIG": str(file)}), whole=True).document(None)


def test_what_is_stored_is_read_as_it_was_declared(tmp_path: Path) -> None:
    """The calendar comes out of the stored text as it went in, in one spelling."""
    made = document(tmp_path, RULE + WINDOW + FREEZE)
    stored = document_from(made.text)
    assert stored == made
    calendar = ruleset_from(stored).policy.calendar
    assert [window.name for window in calendar.windows] == ["nightly"]
    assert calendar.windows[0].choice.servers == {"web*", "app*"}
    assert [freeze.name for freeze in calendar.freezes] == ["year-end"]
    assert made == document(tmp_path, FREEZE + WINDOW.replace('"WEB*", "app*"', '"app*", "web*"') + RULE)


@pytest.mark.parametrize("rules", [RULE, ""], ids=["own rules", "embedded"])
def test_what_is_shown_of_a_policy_has_its_calendar(tmp_path: Path, rules: str) -> None:
    """The text of `vpsops policy show` is the same policy when it is applied: no freeze is lost on the way."""
    made = document(tmp_path, rules + WINDOW + FREEZE)
    assert document(tmp_path, file_text(made)) == made


def test_a_policy_without_a_calendar_keeps_its_text(tmp_path: Path) -> None:
    """Its version is that of before, so that an update alone is no other policy."""
    assert "freezes" not in document(tmp_path, RULE).text
    assert "windows" not in document(tmp_path, RULE).text


def test_a_calendar_without_rules_goes_with_the_embedded_policy(tmp_path: Path) -> None:
    """A file may hold windows alone."""
    made = document(tmp_path, WINDOW)
    assert made.embedded
    assert ruleset_from(document_from(made.text)).policy.calendar.window("nightly") is not None


def test_a_freeze_is_compared_by_what_it_means(tmp_path: Path) -> None:
    """Before it is applied, it says which requests it denies."""
    before, after = document(tmp_path, RULE), document(tmp_path, RULE + WINDOW + FREEZE)
    assert any(line.startswith("+ freeze year-end: ") for line in changed_lines(before, after))
    assert any(line.startswith("+ window nightly: ") for line in changed_lines(before, after))
    meaning = "\n".join(meaning_lines(before, after))
    assert "Stricter:" in meaning
    assert "in the freeze year-end" in meaning
    assert "db*" in meaning
