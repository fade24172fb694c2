"""The provider's message, in each error shape, and nothing secret in it."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.fakes.provider import KEY
from vpsops.core.common.errors import ConfigurationError
from vpsops.core.common.redaction import MASK, redact, tidy
from vpsops.core.wayscloud.requests.answer_errors import seconds_until
from vpsops.core.wayscloud.requests.credentials import Credentials
from vpsops.core.wayscloud.requests.error_bodies import ErrorDetail, parse_error_body
from vpsops.core.wayscloud.requests.response_body import Body

NOW = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
PYDANTIC = {"type": "missing", "loc": ["body", "hostname"], "msg": "Field required"}
NESTED = {"type": "value_error", "loc": ["body", "ssh_keys", 0], "msg": "not a key"}


@pytest.mark.parametrize(
    ("body", "text", "fields"),
    [
        ({"detail": "VPS not found"}, "VPS not found", ()),
        ({"detail": [PYDANTIC]}, "hostname: Field required", ("hostname: Field required",)),
        (
            {"detail": [PYDANTIC, NESTED]},
            "hostname: Field required; ssh_keys.0: not a key",
            ("hostname: Field required", "ssh_keys.0: not a key"),
        ),
        ({"detail": {"error": "VPS must be stopped"}}, "VPS must be stopped", ()),
        ({"error": "no"}, "no", ()),
        ({"message": "no"}, "no", ()),
        ({"Detail": "no"}, "no", ()),
        ({"detail": "", "error": None, "message": "third"}, "third", ()),
        ({"detail": "first", "error": "second", "message": "third"}, "first", ()),
        ({"error": {"code": "AUTH_FAILED", "message": "Invalid key"}}, "Invalid key", ()),
        (
            {"error": {"code": "INVALID_PARAMETER", "message": "Invalid value", "details": {"field": "region"}}},
            "region: Invalid value",
            ("region: Invalid value",),
        ),
        ({"title": "Method Not Allowed", "status": 405}, "Method Not Allowed", ()),
        ({"detail": ["one", "two"]}, "one; two", ()),
        (["one", {"msg": "two"}], "one; two", ()),
        ("just text", "just text", ()),
        ({}, "", ()),
        ({"detail": 3}, "", ()),
        (None, "", ()),
    ],
)
def test_the_sentence_is_found_in_each_shape(body: Any, text: str, fields: tuple[str, ...]) -> None:
    """Whatever the error's shape, a person gets the sentence in it, and the fields it names."""
    assert parse_error_body(Body(json.dumps(body).encode()), KEY) == ErrorDetail(text, fields)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"Bad Gateway", "Bad Gateway"),
        (b"<h1>502</h1>\r\n\x1b[31mnginx\x00", "502. [31mnginx"),
        (b"\xff\xfe broken", "\ufffd\ufffd broken"),
        (b"", ""),
    ],
)
def test_a_body_that_is_not_json_is_quoted(content: bytes, text: str) -> None:
    """Text is quoted without its control characters."""
    assert parse_error_body(Body(content), KEY).text == text


def test_a_long_body_is_cut() -> None:
    """At most 300 characters are quoted, of plain text and of JSON."""
    for content in (b"x" * 100_000, json.dumps({"detail": "x" * 100_000}).encode()):
        assert len(parse_error_body(Body(content), KEY).text) == 300


def test_a_hundred_complaints_are_bounded() -> None:
    """A long list of field errors becomes a short one, and each of them is short."""
    many = {"detail": [{"loc": ["body", f"f{n}"], "msg": "x" * 1000} for n in range(100)]}
    words = parse_error_body(Body(json.dumps(many).encode()), KEY)
    assert len(words.text) == 300
    assert len(words.fields) == 10
    assert max(map(len, words.fields)) == 300


def test_a_body_that_did_not_arrive_says_nothing() -> None:
    """A refusal with a lost body is still a refusal, without words."""
    assert parse_error_body(Body(flaw="the body was cut short"), KEY) == ErrorDetail()


@given(st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_no_error_body_breaks_the_reader(body: Any) -> None:
    """Any JSON at all gives bounded, printable words."""
    words = parse_error_body(Body(json.dumps({"detail": body}).encode()), KEY)
    assert len(words.text) <= 300
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in words.text)


SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=80)


@given(before=st.text(), secret=SECRETS, after=st.text())
@example(before="", secret=MASK.encode().hex(), after="")
def test_the_configured_secret_never_survives(before: str, secret: str, after: str) -> None:
    """Whatever surrounds it, and whatever its form, the secret is removed from what is shown."""
    assert secret not in redact(before + secret + after, secret)
    assert secret not in tidy(before + secret + after, secret)


TAILS = st.text(st.characters(exclude_characters="\"',{}", exclude_categories=["Z", "C"]), min_size=1)


@given(
    kind=st.from_regex(r"[a-z0-9]+", fullmatch=True),
    tail=TAILS,
    end=st.sampled_from([" ", '"', "'", ",", "}", "{", "\n", ""]),
)
def test_anything_like_a_key_is_masked_to_its_end(kind: str, tail: str, end: str) -> None:
    """A key of any kind, not only ours, is masked up to the next space, quote, comma, brace or end."""
    assert redact(f"see wayscloud_{kind}_{tail}{end}rest"[: None if end else -4]) == (
        f"see wayscloud_{kind}_{MASK}{end}" + ("rest" if end else "")
    )


@given(st.text())
def test_masking_twice_changes_nothing(text: str) -> None:
    """Masked text stays as it is."""
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize(
    ("secret", "choice", "expected"),
    [
        ("wayscloud_vps_abc12_YOUR", "auto", {"X-API-Key": "wayscloud_vps_abc12_YOUR"}),
        ("wayscloud_api_abc12_YOUR", "auto", {"X-API-Key": "wayscloud_api_abc12_YOUR"}),
        ("something-else", "auto", {"X-API-Key": "something-else"}),
        ("wayscloud_pat_abc12_YOUR", "auto", {"Authorization": "Bearer wayscloud_pat_abc12_YOUR"}),
        ("wayscloud_pat_abc12_YOUR", "x-api-key", {"X-API-Key": "wayscloud_pat_abc12_YOUR"}),
        ("wayscloud_vps_abc12_YOUR", "bearer", {"Authorization": "Bearer wayscloud_vps_abc12_YOUR"}),
        (" wayscloud_vps_abc12_YOUR\n", "auto", {"X-API-Key": "wayscloud_vps_abc12_YOUR"}),
    ],
)
def test_each_kind_of_secret_has_its_header(secret: str, choice: Any, expected: dict[str, str]) -> None:
    """Access tokens go out as Bearer and all else as X-API-Key, unless the header was chosen."""
    assert Credentials(secret, choice).headers() == expected


@pytest.mark.parametrize(
    "secret", ["", "short", "two words here", "line\nbreak-in-it", "naïve-secret", "tab\there-in-it"]
)
def test_what_cannot_be_a_secret_is_refused_without_quoting_it(secret: str) -> None:
    """A secret that could break a header does not load, and the error does not show it."""
    with pytest.raises(ConfigurationError) as caught:
        Credentials(secret)
    assert not secret or secret not in str(caught.value)


def test_the_key_is_chosen_before_the_token_and_one_is_needed() -> None:
    """Of two secrets the API key is used; of none there is an error that names the variables."""
    assert Credentials.choose("key-key-key", "token-token").secret == "key-key-key"
    assert Credentials.choose(" ", "token-token").secret == "token-token"
    with pytest.raises(ConfigurationError, match="WAYSCLOUD_API_KEY"):
        Credentials.choose(None, "")


def test_a_secret_does_not_show_in_a_repr() -> None:
    """Printing credentials shows the header choice only."""
    assert "SECRET" not in repr(Credentials(KEY))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2.0),
        (" 2 ", 2.0),
        ("1.5", 1.5),
        ("0", 0.0),
        (format_datetime(NOW + timedelta(seconds=90), usegmt=True), 90.0),
        (format_datetime(NOW - timedelta(seconds=90), usegmt=True), 0.0),
        ("Mon, 04 Jan 2027 09:01:30 -0000", 90.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("inf", None),
        ("99999999999999999999", 31_622_400.0),
        ("Mon, 99 Jan 2027 09:01:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str, seconds: float | None) -> None:
    """Seconds and dates are understood; a date in the past means now, nonsense counts as absent."""
    assert seconds_until(header, NOW) == seconds


@given(st.text())
def test_no_retry_after_header_breaks_the_reader(header: str) -> None:
    """Any header value gives seconds from zero up, or nothing."""
    seconds = seconds_until(header, NOW)
    assert seconds is None or seconds >= 0
