"""Which requests a fault rule strikes, and that equal seeds strike alike."""

import json
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from tests.unit.playground.wayscloud.harness import WEB
from vpsops.core.common.errors import ConfigurationError
from vpsops.playground.wayscloud import faults
from vpsops.playground.wayscloud.faults import Asked, Fault, Faults

LIST = Asked("GET", "/v1/vps", "list", "", "")
CREATE = Asked("POST", "/v1/vps", "create", "", "web02.example.com")
STOP = Asked("POST", f"/v1/vps/{WEB}/stop", "stop", WEB, "web01.example.com")


def pattern(rules: list[Fault], requests: int, seed: int = 0, asked: Asked = LIST) -> str:
    """Return which of the requests were struck, as a row of x and dots."""
    drawn = Faults(rules, seed)
    return "".join("x" if drawn.draw(asked).struck else "." for _ in range(requests))


def rule(**fields: object) -> Fault:
    """Return a rule, a plain error by default."""
    return Fault.model_validate({"kind": "status", **fields})


@pytest.mark.parametrize(
    ("fields", "struck"),
    [
        ({}, "xxxxxx"),
        ({"times": 2}, "xx...."),
        ({"after": 2}, "..xxxx"),
        ({"nth": 3}, "..x..."),
        ({"after": 2, "nth": 2}, "...x.."),
        ({"after": 1, "times": 2}, ".xx..."),
    ],
)
def test_a_rule_strikes_by_count(fields: dict[str, object], struck: str) -> None:
    """`after` lets some pass, `nth` picks one, `times` ends it."""
    assert pattern([rule(**fields)], 6) == struck


@pytest.mark.parametrize(
    ("match", "hits"),
    [
        ({}, [LIST, CREATE, STOP]),
        ({"method": "post"}, [CREATE, STOP]),
        ({"path": "/v1/vps/*"}, [STOP]),
        ({"operation": "create"}, [CREATE]),
        ({"server": WEB}, [STOP]),
        ({"hostname": "web0?.example.com"}, [CREATE, STOP]),
        ({"hostname": "web02*", "operation": "stop"}, []),
    ],
)
def test_a_rule_is_about_the_requests_it_names(match: dict[str, str], hits: list[Asked]) -> None:
    """Every named attribute must fit; an omitted one fits all."""
    drawn = Faults([rule(match=match)], 0)
    assert [asked for asked in (LIST, CREATE, STOP) if drawn.draw(asked).struck] == hits


def test_equal_seeds_strike_alike_and_others_do_not() -> None:
    """Luck is drawn from the seed, at the configured rate."""
    rules = [rule(probability=0.3)]
    assert pattern(rules, 400, seed=1) == pattern(rules, 400, seed=1)
    assert pattern(rules, 400, seed=1) != pattern(rules, 400, seed=2)
    assert 80 < pattern(rules, 400).count("x") < 160


def test_the_luck_of_a_rule_does_not_depend_on_requests_it_is_not_about() -> None:
    """Other traffic between them leaves the strikes of a rule where they were."""
    rules = [rule(probability=0.5, match={"operation": "stop"})]
    quiet, busy = Faults(rules, 5), Faults(rules, 5)
    alone = [bool(quiet.draw(STOP).struck) for _ in range(40)]
    among = [bool((busy.draw(LIST), busy.draw(STOP))[1].struck) for _ in range(40)]
    assert alone == among


def test_the_first_rule_wins_and_the_others_are_not_spent() -> None:
    """Two rules of one strike each strike one request each."""
    drawn = Faults([rule(status=500, times=1), rule(status=503, times=1)], 0)
    answers = [drawn.draw(LIST).before for _ in range(3)]
    assert [fault and fault.status for fault in answers] == [500, 503, None]


def test_waits_add_up_and_go_with_another_fault() -> None:
    """A slow answer can be an error too."""
    slow = {"kind": "slow", "seconds": 2}
    drawn = Faults([rule(**slow), rule(**slow), rule(**slow, after_effect=True), rule(status=502)], 0).draw(LIST)
    assert (drawn.wait(after=False), drawn.wait(after=True)) == (4, 2)
    assert drawn.before
    assert drawn.before.status == 502


def test_only_a_create_can_fail_to_provision() -> None:
    """Reads do not use the rule up, nor does a create that never took effect."""
    drawn = Faults(
        [rule(kind="drop_before", times=1, match={"operation": "create"}), rule(kind="fail_provision", times=1)], 0
    )
    fates = ["fail_provision" in drawn.draw(asked).struck for asked in (LIST, CREATE, STOP, CREATE, CREATE)]
    assert fates == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("fields", "late"),
    [
        ({"kind": "drop_before"}, False),
        ({"kind": "drop_after"}, True),
        ({"kind": "malformed"}, True),
        ({"kind": "oversized"}, True),
        ({"kind": "status"}, False),
        ({"kind": "status", "after_effect": True}, True),
        ({"kind": "redirect"}, False),
    ],
)
def test_every_kind_says_whether_the_effect_happens(fields: dict[str, object], late: bool) -> None:
    """Drops have it in their name, broken answers come after it, errors as configured."""
    drawn = Faults([rule(**fields)], 0).draw(CREATE)
    assert (drawn.after is not None, drawn.before is None) == (late, late)


@pytest.mark.parametrize(
    "document", [{"kind": "slow"}, [{"kind": "slow"}], {"faults": [{"kind": "slow"}]}], ids=["one", "list", "named"]
)
def test_rules_come_in_three_forms(document: object) -> None:
    """One rule, a list, or a list by name."""
    assert faults.parse(document) == [Fault(kind="slow")]


@pytest.mark.parametrize(
    "document",
    [
        None,
        3,
        "slow",
        {},
        {"kind": "explode"},
        {"kind": "slow", "second": 3},
        {"kind": "status", "status": 199},
        {"kind": "slow", "status": 500},
        {"preset": "klingon"},
        {"kind": "status", "probability": 0},
        {"kind": "status", "match": {"operation": "explode"}},
    ],
)
def test_a_wrong_rule_is_refused(document: object) -> None:
    """Unknown kinds, fields and operations and numbers out of range are errors, never ignored."""
    with pytest.raises(ValidationError):
        faults.parse(document)


def test_rules_load_from_json_and_toml(tmp_path: Path) -> None:
    """Both forms give the same rules."""
    as_json, as_toml = tmp_path / "f.json", tmp_path / "f.toml"
    as_json.write_text(json.dumps({"faults": [{"kind": "status", "match": {"operation": "create"}}]}))
    as_toml.write_text('[[faults]]\nkind = "status"\nmatch = { operation = "create" }\n')
    assert faults.load(as_json) == faults.load(as_toml) == [rule(match={"operation": "create"})]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("absent.json", None, "cannot be read"),
        ("f.json", b"{", "is not valid"),
        ("f.toml", b"= 1", "is not valid"),
        ("f.json", b"\xff", "is not valid"),
        ("f.json", b'[{"kind": "slow", "x": 1}]', "0.x: Extra inputs are not permitted"),
    ],
)
def test_a_wrong_file_is_a_configuration_error(tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    """The error names the file and its fault."""
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigurationError, match=name) as caught:
        faults.load(path)
    assert says in caught.value.message


def test_the_example_file_is_valid() -> None:
    """The shipped example loads, and shows every kind."""
    example = Path(faults.__file__).parent.with_name("faults.example.toml")
    assert {fault.kind for fault in faults.load(example)} == set(get_args(faults.Kind))
