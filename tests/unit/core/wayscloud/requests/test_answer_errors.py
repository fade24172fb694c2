"""What a 501 about a part of a server shows: the API lacks the call for every server, or this server cannot have it."""

import pytest

from vpsops.core.wayscloud.answers.errors import NotOfferedError
from vpsops.core.wayscloud.requests.answer_errors import NOT_IMPLEMENTED, error_for
from vpsops.core.wayscloud.requests.endpoints import RESTORE_BACKUP
from vpsops.core.wayscloud.requests.error_bodies import ErrorDetail


@pytest.mark.parametrize(
    ("words", "certain"),
    [
        ("Restore is not implemented yet", True),
        ("It is not implemented.", True),
        ("not yet implemented", True),
        ("Not supported", True),
        ("Method Not Allowed", True),
        ("", True),
        ("Windows restores are not implemented", False),
        ("Server is not supported", False),
        ("Upgrades are not available at this location", False),
    ],
)
def test_only_words_about_the_call_are_about_every_server(words: str, *, certain: bool) -> None:
    """Longer sentences may have a reason in this server, its region or its system."""
    error = error_for(RESTORE_BACKUP, NOT_IMPLEMENTED, ErrorDetail(words), None)
    assert isinstance(error, NotOfferedError)
    assert error.certain is certain
