"""Labels and tags of a server's answer: all of them are read, or they are not known."""

from typing import Any

import pytest

from vpsops.core.wayscloud.answers import parse
from vpsops.core.wayscloud.answers.field_readers import LONGEST_LABEL, MOST_LABELS

MANY = {str(number): "x" for number in range(MOST_LABELS + 1)}


def read(**fields: Any) -> Any:
    """Return the server of an answer with these fields."""
    return parse.server("17")({"id": "17", "hostname": "web01", **fields})


@pytest.mark.parametrize("labels", [{}, {"team": "shop"}, {"": ""}, {" spaced ": "a=b", "Ünï": "\u202edlrow"}])
def test_labels_are_read_as_they_are(labels: Any) -> None:
    """No label is trimmed, and none at all is known to be none."""
    assert read(labels=labels).labels == labels


@pytest.mark.parametrize(
    "labels",
    [None, [], ["team=shop"], "team=shop", {"team": 1}, {"a": "b", "team": None}, {"a": {}}, MANY,
     {"a": "x" * (LONGEST_LABEL + 1)}, {"x" * (LONGEST_LABEL + 1): "a"}],
)  # fmt: skip
@pytest.mark.requirement("labels-known-whole")
def test_labels_that_cannot_be_read_whole_are_not_known(labels: Any) -> None:
    """A change replaces them all, so one that was not read would be lost."""
    assert read(labels=labels).labels is None
    assert read().labels is None


def test_tags_are_read_whole_or_not_at_all() -> None:
    """An empty list is known to be none; an absent one, or one with something else in it, is not known."""
    assert read(tags=["web", ""]).tags == ("web", "")
    assert read(tags=[]).tags == ()
    for tags in (None, "web", {"web": "1"}, ["web", 1], ["x"] * (MOST_LABELS + 1), ["x" * (LONGEST_LABEL + 1)]):
        assert read(tags=tags).tags is None
    assert read().tags is None
