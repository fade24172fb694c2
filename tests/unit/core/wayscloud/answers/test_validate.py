"""Validation of path segments and of a create's arguments."""

from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.wayscloud.answers.models import NewServer, canonical_region, same_region
from vpsops.core.wayscloud.answers.regions import ALIASES
from vpsops.core.wayscloud.answers.validate import validate_hostname, validate_id, validate_ssh_key
from vpsops.core.wayscloud.requests import endpoints

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExample user@laptop"


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a/b",
        "a\\b",
        "a?b",
        "a#b",
        "a%2Fb",
        "a b",
        "a\nb",
        "a\x00b",
        "\u202eab",
        "x" * 129,
        "plans",
        "os-templates",
        "regions",
        "REGIONS",
    ],
)
def test_an_id_that_could_reach_another_route_is_refused(text: str) -> None:
    """Separators, escapes, spaces, control characters, the API's own words and endless ids do not pass."""
    with pytest.raises(InvalidInputError):
        validate_id(text)


@given(st.text())
def test_an_accepted_id_stays_one_path_segment(text: str) -> None:
    """Whatever passes is exactly one segment of the path, and never one of the API's own."""
    try:
        accepted = validate_id(text)
    except InvalidInputError:
        return
    path = urlsplit(f"https://host{endpoints.SERVER.of(accepted).url_path}").path
    assert path.split("/") == ["", "v1", "vps", accepted]
    assert accepted not in {"plans", "os-templates", "regions", "..", "."}


@given(st.uuids())
def test_every_uuid_is_an_id(uuid: object) -> None:
    """The ids of every example pass unchanged."""
    assert validate_id(str(uuid)) == str(uuid)


@pytest.mark.parametrize(
    "text", ["web01", "web01.example.com", " Web01.Example.COM. ", "a" * 63, "1.2.3", "xn--bcher-kva.no"]
)
def test_good_hostnames_pass(text: str) -> None:
    """One label or several, in any case, with or without the last dot."""
    assert validate_hostname(text) == text.strip().lower().removesuffix(".")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "-web",
        "web-",
        "web_01",
        "a..b",
        "web 01",
        "wéb",
        "\u212aelvin",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "web\n01",
    ],
)
def test_bad_hostnames_are_refused(text: str) -> None:
    """Anything outside RFC 1123 is refused before it is sent."""
    with pytest.raises(InvalidInputError):
        validate_hostname(text)


@pytest.mark.parametrize(
    "text",
    [
        ED25519,
        f"  {ED25519}\n",
        "ssh-rsa AAAAB3NzaC1yc2E= ",
        "ecdsa-sha2-nistp256 AAAAE2VjZHNh",
        "sk-ssh-ed25519@openssh.com AAAAGnNr comment with spaces",
        "ssh-ed25519 AAAA... user@laptop",
    ],
)
def test_public_keys_pass(text: str) -> None:
    """Known kinds on one line pass, the documentation's shortened example included."""
    assert validate_ssh_key(text) == text.strip()


@pytest.mark.parametrize(
    "text", ["", "ssh-ed25519", "AAAA", "ssh-dss AAAA", f"{ED25519}\n{ED25519}", "ssh-rsa " + "A" * 20_000, "17"]
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    """Ids, several lines, unknown kinds and endless keys are refused."""
    with pytest.raises(InvalidInputError):
        validate_ssh_key(text)


def test_a_private_key_is_refused_with_a_warning() -> None:
    """A pasted private key is refused as such, and the text is not repeated."""
    with pytest.raises(InvalidInputError, match="private") as caught:
        validate_ssh_key("-----BEGIN OPENSSH PRIVATE KEY-----\nc2VjcmV0\n-----END OPENSSH PRIVATE KEY-----")
    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"hostname": "-"},
        {"plan": ""},
        {"region": " "},
        {"os_template": "a\nb"},
        {"display_name": "x" * 300},
        {"ssh_keys": ("junk",)},
    ],
)
def test_a_new_server_checks_its_arguments(wrong: dict[str, object]) -> None:
    """Each argument is checked when the request is made, not when it is sent."""
    good: dict[str, object] = {"hostname": "web01", "plan": "p", "region": "oslo", "os_template": "debian-12"}
    assert NewServer.model_validate(good).display_name is None
    with pytest.raises(InvalidInputError):
        NewServer.model_validate(good | wrong)


@pytest.mark.parametrize(("alias", "code"), ALIASES.items())
def test_each_alias_of_a_place_is_its_country(alias: str, code: str) -> None:
    """Cities and countries become codes, in any case and with spaces around."""
    assert canonical_region(f" {alias.title()} ") == code
    assert same_region(alias, code.lower())


def test_other_places_are_only_trimmed_and_upper_cased() -> None:
    """A place without an alias is itself."""
    assert [canonical_region(text) for text in (" nl ", "NL", "atlantis")] == ["NL", "NL", "ATLANTIS"]
    assert not same_region("oslo", "stockholm")
