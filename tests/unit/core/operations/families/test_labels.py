"""Labels as an operation: read from words, resolved to the whole map, shown before and after, and found again."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.clock import START
from tests.fakes.provider import SERVER, SERVER_ID, Provider, Reply
from tests.harness.profiles import examples
from vpsops.core.common.errors import InvalidInputError
from vpsops.core.operations import OPERATIONS
from vpsops.core.operations.facts import with_values
from vpsops.core.operations.families.labels import MOST, LabelArguments, describe_label, edit_of
from vpsops.core.operations.strategies import Inspected, LiveState, Sent
from vpsops.core.operations.target import Target
from vpsops.core.wayscloud.answers.models import Server

LABEL: Final = OPERATIONS["label"]
BEFORE: Final = {"env": "prod", "team": "web"}
maps = st.dictionaries(st.sampled_from(["team", "env", "owner", "a/b"]), st.sampled_from(["x", "y z", "Ø1"]))


def server(labels: Mapping[str, str] | None = BEFORE) -> Server:
    """Return a server with these labels."""
    return Server.model_validate(SERVER).model_copy(update={"labels": None if labels is None else dict(labels)})


async def resolved(labels: Mapping[str, str] | None, *words: str) -> LabelArguments:
    """Return the arguments that a request becomes on a server with these labels."""
    asked = LabelArguments(server=SERVER_ID, labels=words)
    async with Provider().client() as api:
        precheck = await LABEL.check(api, asked, server(labels))
    assert isinstance(precheck.arguments, LabelArguments)
    return precheck.arguments


async def refusal(labels: Mapping[str, str] | None, *words: str) -> str:
    """Return why a request is refused."""
    with pytest.raises(InvalidInputError) as caught:
        await resolved(labels, *words)
    return f"{caught.value} {caught.value.hint}"


def shown(arguments: LabelArguments, labels: Mapping[str, str]) -> dict[str, str]:
    """Return the facts of a request on a server with these labels."""
    return {fact.label: fact.value for fact in with_values(describe_label(arguments, LiveState(server(labels))))}


async def test_a_request_is_resolved_to_all_labels_there_are_to_be() -> None:
    """What stays, what is set, what goes, in one order; a dash before a key removes it too."""
    assert (await resolved(BEFORE, "team=shop", "env-")).labels == ("team=shop", "env-")
    assert (await resolved(BEFORE, "-env")).labels == ("team=web", "env-")
    assert (await resolved(BEFORE, "a=1")).labels == ("a=1", "env=prod", "team=web")
    assert (await resolved({}, "owner=Kari Nordmann")).labels == ("owner=Kari Nordmann",)
    assert (await resolved({}, "lag=O\u0308konomi")).labels == ("lag=\u00d6konomi",)


@pytest.mark.parametrize(
    ("labels", "words", "why"),
    [
        (None, ["team=shop"], "does not show the labels"),
        (BEFORE, ["team=web"], "nothing to do"),
        (BEFORE, ["team"], "is no label"),
        (BEFORE, ["=shop"], "is no label"),
        (BEFORE, ["-"], "is no label"),
        (BEFORE, ["team="], "is no label"),
        (BEFORE, ["team=a", "team=b"], "there twice"),
        (BEFORE, ["team=a", "team-"], "there twice"),
        (BEFORE, ["a b=c"], "is no label"),
        (BEFORE, ["a-=c"], "is no label"),
        (BEFORE, ["a=<!channel>"], "is no label"),
        (BEFORE, ["a=x → y"], "is no label"),
        (BEFORE, ["a=x, b=y"], "is no label"),
        (BEFORE, ["a=\u202etxet"], "is no label"),
        (BEFORE, [f"a={'x' * 64}"], "is no label"),
        (BEFORE, [f"{'x' * 64}=a"], "is no label"),
        (BEFORE, ["ENV=dev"], "in its case alone"),
        (BEFORE, ["owner-"], "It has env=prod, team=web."),
        ({}, ["owner-"], "It has none."),
        ({str(number): "x" for number in range(MOST)}, ["a=b"], "at most 64"),
        ({"odd=key": "x"}, ["a=b"], "cannot be sent back"),
        ({"a": " spaced "}, ["b=c"], "cannot be sent back"),
        ({"a": "hid\u200bden"}, ["b=c"], "cannot be sent back"),
        ({"a": "wayscloud_pat_•••"}, ["b=c"], "cannot be sent back"),
    ],
)
@pytest.mark.requirement("labels-known-whole")
async def test_what_makes_no_sense_is_refused_with_why(
    labels: Mapping[str, str] | None, words: list[str], why: str
) -> None:
    """Nothing is guessed, and no label that cannot be read back is sent back."""
    assert why in await refusal(labels, *words)


async def test_a_label_of_another_client_can_be_removed_and_kept() -> None:
    """Bounds are for what is new."""
    odd = {"odd key!": "a, b", "env": "prod"}
    assert (await resolved(odd, "odd key!-")).labels == ("env=prod", "odd key!-")
    assert (await resolved(odd, "env-")).labels == ("odd key!=a, b", "env-")
    assert (await resolved(BEFORE, "ENV=prod", "env-")).labels == ("ENV=prod", "team=web", "env-")


async def test_the_facts_are_before_and_after_and_what_stays() -> None:
    """A value that is none of ours stands in quotation marks."""
    assert shown(await resolved(BEFORE, "team=shop", "owner=ann"), BEFORE) == {
        "Label owner": "none → ann",
        "Label team": "web → shop",
        "Other labels": "env=prod",
    }
    assert shown(await resolved({"a": "b → c"}, "a-"), {"a": "b → c"}) == {"Label a": "“b → c” → none"}
    many = {f"k{number:02}": "x" for number in range(30)}
    assert shown(await resolved(many, "k00=y"), many)["Other labels"].endswith("k20=x and 9 more")


@given(maps, maps, st.data())
@settings(max_examples=examples(30))
@pytest.mark.requirement("labels-supersede")
async def test_resolving_again_changes_nothing_unless_the_labels_changed(
    before: dict[str, str], new: dict[str, str], data: st.DataObject
) -> None:
    """The same labels give the same words and facts; any other labels give others, or a refusal."""
    words = [f"{key}={value}" for key, value in new.items()]
    try:
        once = await resolved(before, *words)
    except InvalidInputError:
        return
    assert await resolved(before, *once.labels) == once
    other = data.draw(maps)
    if other == before:
        return
    try:
        again = await resolved(other, *once.labels)
    except InvalidInputError:
        return
    assert (again, shown(again, other)) != (once, shown(once, before))


@pytest.mark.parametrize(
    ("now", "finding"),
    [
        (None, Inspected.NOT_KNOWABLE),
        ({"team": "shop"}, Inspected.DONE),
        (BEFORE, Inspected.NOT_DONE),
        ({"team": "shop", "env": "prod"}, Inspected.AMBIGUOUS),
        ({}, Inspected.AMBIGUOUS),
    ],
)
async def test_the_labels_tell_what_became_of_it(now: Any, finding: Inspected) -> None:
    """As asked for, as before, neither, or not shown."""
    asked = await resolved(BEFORE, "team=shop", "env-")
    facts = with_values(describe_label(asked, LiveState(server())))
    sent = Sent(asked, Target(SERVER_ID, "web01"), {}, facts, START, START, accepted=False)
    read = SERVER if now is None else {**SERVER, "labels": now}
    assert LABEL.inspect is not None
    async with Provider().on("GET", f"/v1/vps/{SERVER_ID}", Reply(200, read)).client() as api:
        assert (await LABEL.inspect(api, sent)).finding is finding
        assert (await LABEL.inspect(api, replace(sent, accepted=True))).finding is finding


def test_words_are_read_as_labels() -> None:
    """The first equals sign parts key and value; a removal has none."""
    edit = edit_of(["a=b=c", "team=shop-", "old-", "-older"])
    assert (edit.values, edit.removals) == ({"a": "b=c", "team": "shop-"}, ("old", "older"))
