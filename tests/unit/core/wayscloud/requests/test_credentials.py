"""Which header carries the secret, and which secrets are none."""

import pytest

from vpsops.core.common.errors import ConfigurationError
from vpsops.core.wayscloud.requests.credentials import Credentials, HeaderChoice

KEY, TOKEN = "wayscloud_vps_abc_SECRET", "wayscloud_pat_abc_SECRET"


@pytest.mark.parametrize(
    ("secret", "header", "bearer"),
    [
        (KEY, "auto", False),
        (TOKEN, "auto", True),
        (TOKEN.upper(), "auto", True),
        (KEY, "bearer", True),
        (TOKEN, "x-api-key", False),
    ],
)
def test_a_personal_token_is_a_bearer_however_it_is_written(secret: str, header: HeaderChoice, bearer: bool) -> None:
    expected = {"Authorization": f"Bearer {secret}"} if bearer else {"X-API-Key": secret}
    assert Credentials(secret, header).headers() == expected


@pytest.mark.parametrize(
    "secret", ["", "short", "with a space inside it", "with\ttab-in-the-middle", "ünicode-secret-long"]
)
def test_what_is_no_word_of_plain_characters_is_no_secret(secret: str) -> None:
    with pytest.raises(ConfigurationError):
        Credentials(secret)
