"""Secrets and long parts of them are masked; words that only resemble one are left as they are."""

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.harness.profiles import examples
from vpsops.core.common.redaction import MASK, PART_LENGTH, Redactor, redact
from vpsops.mcp_server.auth.tokens_file import new_secret

KEY = "wayscloud_vps_k7Qx2mNpR4tVw8Yz3bCd6fGh9jLs1aEuK5oI"
BODY = KEY.removeprefix("wayscloud_vps_")
PASSWORD = "u7Hn-3kPq-9sLm-2xWv"
REPEATED = "planted-0123456789-0123456789"
SECRETS = (KEY, PASSWORD, REPEATED)
BEGINNINGS = "A key begins with wayscloud_vps_ or xoxb-."
SPLITS = ("", " ", "\u200b")
ALPHABET = string.ascii_letters + string.digits + "-_. "


@pytest.mark.requirement("no-secret-comes-in")
@settings(max_examples=examples(40))
@given(
    st.integers(0, len(BODY) - PART_LENGTH), st.integers(PART_LENGTH, len(BODY)), st.sampled_from(["", " ", "\u200b"])
)
def test_a_long_part_of_a_secret_is_masked_wherever_it_begins(first: int, length: int, split: str) -> None:
    """Twelve characters in a row are enough, whether or not they are split, and none of them is left."""
    part = BODY[first : first + length]
    redacted = redact(f"key <{split.join(part)}> is wrong", *SECRETS)
    assert redacted == f"key <{MASK}> is wrong"


@pytest.mark.requirement("no-secret-comes-in")
@settings(max_examples=examples(40))
@given(st.integers(PART_LENGTH, 20), st.integers(1, PART_LENGTH - 1), st.sampled_from(SPLITS), st.booleans())
def test_secrets_that_share_a_part_leave_nothing_of_each_other(
    shared: int, rest: int, split: str, turned: bool
) -> None:
    """Tokens of one workspace begin alike: what one of them covers is no end of another."""
    part, secrets = BODY[:shared], (BODY[:shared] + "old-rest-of-it", BODY[:shared] + PASSWORD[:rest])
    text = split.join(part + PASSWORD[:rest])
    assert redact(f"key <{text}> is wrong", *(secrets[::-1] if turned else secrets)) == f"key <{MASK}> is wrong"


@pytest.mark.requirement("no-secret-comes-in")
@pytest.mark.parametrize("secret", SECRETS)
def test_a_shorter_part_is_left(secret: str) -> None:
    """Eleven characters may be an ordinary word; so may a key's public prefix."""
    body = secret.removeprefix("wayscloud_vps_")
    for first in range(len(body) - PART_LENGTH + 2):
        part = body[first : first + PART_LENGTH - 1]
        assert redact(f"<{part}>", *SECRETS) == f"<{part}>"
    assert (
        redact("A key begins with wayscloud_vps_ or xoxb-.", *SECRETS) == "A key begins with wayscloud_vps_ or xoxb-."
    )


@pytest.mark.requirement("no-secret-comes-in")
def test_a_part_is_masked_as_far_as_it_goes() -> None:
    """The whole run, the public beginning with it, however often the secret repeats itself."""
    assert redact(f"{KEY[4:40]}!", *SECRETS) == f"{MASK}!"
    assert redact(REPEATED, *SECRETS) == redact(REPEATED[3:], *SECRETS) == MASK
    assert redact(f"{PASSWORD}{PASSWORD}", *SECRETS) == MASK * 2
    assert redact(f"{PASSWORD[:13]}/{PASSWORD[5:]}", *SECRETS) == f"{MASK}/{MASK}"


@pytest.mark.requirement("no-secret-comes-in")
def test_no_short_rest_is_left_behind_a_split() -> None:
    """The part before a space is long enough by itself; the text after the space belongs to it."""
    assert redact(f"<{BODY[:-4]} {BODY[-4:]}>", *SECRETS) == f"<{MASK}>"


@settings(max_examples=examples(60))
@given(st.text(alphabet=ALPHABET, max_size=120))
def test_words_that_share_no_long_run_with_a_secret_are_untouched(text: str) -> None:
    """Hostnames, ids and sentences are none of a secret's parts."""
    packed = "".join(text.split())
    shares = any(s[at : at + PART_LENGTH] in packed for s in SECRETS for at in range(len(s) - PART_LENGTH + 1))
    assert (redact(text, *SECRETS) == text) != shares


@pytest.mark.parametrize(
    "text",
    [
        "chg_0123456789ab about 550e8400-e29b-41d4-a716-446655440000",
        "web01.example.com 192.0.2.17 2001:db8::17 vps-4gb-2cpu",
        "planted trees: 012345678 9 of them",
        "wayscloud_vps_ keys go into WAYSCLOUD_API_KEY_FILE",
        "sha256:" + "9f" * 32,
    ],
)
def test_what_operators_write_is_no_part_of_a_key(text: str) -> None:
    """Ids, addresses, plans and digests stay readable beside configured secrets."""
    assert redact(text, *SECRETS) == text


@pytest.mark.requirement("no-secret-comes-in")
@pytest.mark.parametrize(
    "token", [KEY, "vpsops_Zk3_9aQw-Er7TyUiOp1AsDfGh", "xoxb-1234567890-abcdefghij", "wayscloud_vps_somebody-elses"]
)
def test_a_name_that_shows_a_key_once_it_is_cleaned_is_not_kept(token: str) -> None:
    """What a provider calls a server stays as it is, hidden characters and all, unless they hide a secret."""
    assert Redactor(SECRETS).exact({"hostname": "web\u200b01"}) == {"hostname": "web\u200b01"}
    hostname = Redactor(SECRETS).exact({"hostname": "\u200b".join(token)})["hostname"]
    assert MASK in hostname
    assert token[-8:] not in hostname


def test_a_token_of_ours_is_known_by_its_look() -> None:
    """Only its hash is configured."""
    token = new_secret()
    assert redact(f"my token is {token}.") == f"my token is vpsops_{MASK}."
    assert not Redactor().sees_none(f'{{"detail": "{token}"}}'.encode())
    assert redact("VPSOPS_ACTOR vpsops_serve.py vpsops_bot_1") == "VPSOPS_ACTOR vpsops_serve.py vpsops_bot_1"


@pytest.mark.requirement("no-secret-comes-in")
@pytest.mark.parametrize("part", [KEY, BODY[5:33], PASSWORD[2:15]])
def test_the_short_way_past_long_answers_sees_parts_too(part: str) -> None:
    """An answer is walked through where it may hold a part, also across its blanks."""
    redactor = Redactor(SECRETS)
    assert not redactor.sees_none(json.dumps({"detail": part}).encode())
    assert not redactor.sees_none(json.dumps({"detail": " ".join(part)}).encode())
    assert redactor.sees_none(b'{"detail": "Payment is due."}')


TEXTS = st.lists(
    st.sampled_from(
        [
            KEY,
            BODY[3:20],
            BODY[3:14],
            PASSWORD,
            "web01",
            " ",
            "\u200b",
            "way\u017fcloud_vps_x1",
            "Å",
            "\n",
            '"',
            "\\",
            "xoxb-",
        ]
    ),
    max_size=5,
).map("".join)


@pytest.mark.requirement("no-secret-comes-in")
@settings(max_examples=examples(80))
@given(st.dictionaries(TEXTS, st.recursive(TEXTS | st.integers(), lambda inner: st.lists(inner, max_size=3))))
def test_the_short_way_past_a_payload_prepares_it_as_the_long_one_does(payload: dict[str, object]) -> None:
    """Where it holds no trace of a secret it is left as it is, and that is what the long way makes of it too."""
    redactor = Redactor(SECRETS)
    assert redactor.payload(payload) == redactor.json(payload)


def test_a_clean_payload_is_not_copied() -> None:
    """A slash command is prepared before it is acknowledged: that may cost no walk through its fields."""
    payload = {"command": "/vps", "text": "reboot web01 because the disk is full"}
    assert Redactor(SECRETS).payload(payload) is payload


@pytest.mark.parametrize("text", ["Åsa\u200b", "a\u0000b", "x" * 200_001])
def test_a_payload_that_needs_preparation_gets_it(text: str) -> None:
    """Characters that no database takes, and what is too long, are no secrets and go all the same."""
    redactor = Redactor(SECRETS)
    assert redactor.payload({"text": text}) == {"text": redactor.text(text)} != {"text": text}


def test_a_payload_that_is_nested_too_deep_is_cut() -> None:
    """Its brackets are counted: only a payload with few of them takes the short way."""
    deep: list[object] = ["web01"]
    for _ in range(60):
        deep = [deep]
    redactor = Redactor(SECRETS)
    assert "web01" not in json.dumps(redactor.payload({"deep": deep}))
    assert redactor.payload({"deep": deep}) == redactor.json({"deep": deep})


@pytest.mark.requirement("no-secret-comes-in")
def test_a_secret_with_a_blank_in_it_is_masked() -> None:
    """Its parts are not whole in a text without blanks, so that nothing takes the short way."""
    secret = "correct horse battery staple"
    assert redact(f"it is {secret[:13]}!", secret) == f"it is {MASK}!"
    assert redact(f"it is {secret}", secret) == f"it is {MASK}"
    assert Redactor((secret,)).payload({"text": secret[:13]}) == {"text": MASK}
    assert not Redactor((secret,)).sees_none(json.dumps({"text": secret[:13]}).encode())
