"""Each rule finds what it is for, in a made-up module, and nothing in its right form."""

from pathlib import Path

import pytest

from tests.house.rules import RULES, is_participle
from tests.house.tree import Module
from tests.house.words import WORDS, occurrences

LONG = "\n".join(["def work():", *["    x = 1"] * 30])
CASES = [
    ("classes with two meanings", "class _Desk: ...", "class Desk: ...", "class Table: ..."),
    ("variables one, its, found", "for one in []: ...", "def f(found): ...", "for change in []: ..."),
    (
        "exceptions not ending in Error",
        "class Lost(ValueError): ...",
        "class Base(Exception): ...\nclass GoneError(Base): ...",
        "class GoneError(Lost): ...",
    ),
    (
        "predicates that do not ask",
        "def late() -> bool: ...",
        "class Vote:\n    @property\n    def _late(self) -> bool: ...",
        "def covers() -> bool: ...\nasync def open() -> bool: ...\nclass Vote:\n    def __bool__(self) -> bool: ...",
    ),
    (
        "limits written as numbers",
        "with anyio.fail_after(5): ...\nClient(read_timeout_seconds=8)",
        "await eventually(ready, patience=3)",
        "with fail_after(PATIENCE_SECONDS): ...\nawait until(ready)\nrun(timeout=0)\nrun(timeout=300)\nsleep(5)",
    ),
    ("loggers not called logger", "LOG = get_logger(__name__)", "log = logging.getLogger()", "logger = get_logger()"),
    (
        "log events that are sentences",
        "logger.info('read again')",
        "log = get_logger()\nlog.info(f'read {n}')",
        "logger.info('read_again', count=1)",
    ),
    ("docstrings that say pure", '"""Draws; pure."""', 'def f():\n    """Draw; pure but for one."""', '"""Purely."""'),
    ("functions over 30 lines", LONG, f"async {LONG}", LONG.removesuffix("\n    x = 1")),
    ("files over 400 lines", "x = 1\n" * 401, "\n" * 500, "x = 1\n" * 400),
]


def module(name: str, text: str) -> Module:
    return Module(Path("core") / f"{name}.py", text)


@pytest.mark.parametrize(("rule", "first", "second", "right"), CASES, ids=[case[0] for case in CASES])
def test_a_rule_finds_what_it_is_for(rule: str, first: str, second: str, right: str) -> None:
    """Two forms of it, and not the form that is asked for."""
    wrong = [module("first", first), module("second", second)]
    assert list(RULES[rule](wrong)), "not found"
    if rule != "classes with two meanings":
        assert all(list(RULES[rule]([each])) for each in wrong)
    assert list(RULES[rule]([module("right", right)])) == []


def test_folders_of_more_than_twelve_modules_count_for_each_beyond() -> None:
    """Thirteen are one too many; the file of the folder itself is none of them."""
    modules = [module(f"m{number}", "") for number in range(13)]
    assert list(RULES["modules beyond 12 in a folder"]([*modules, module("__init__", "")])) == ["core has 13"]


@pytest.mark.parametrize("name", ["told", "on_click", "pacing", "subscribed", "test_watching", "keeper"])
def test_participles_and_metaphors_are_no_names_of_modules(name: str) -> None:
    """Nor are what begins with `on_`, and metaphors."""
    assert list(RULES["modules without a noun"]([module(name, "")])) == [f"core/{name}.py"]


@pytest.mark.parametrize("word", ["listing", "timing", "feed", "change", "red", "king", "thread"])
def test_nouns_that_look_like_participles_are_nouns(word: str) -> None:
    """They are names."""
    assert not is_participle(word)


@pytest.mark.parametrize("name", WORDS)
def test_words_are_counted_each_time(name: str) -> None:
    """Twice on one line are two, and parts of words are none."""
    text = WORDS[name].example
    assert len(list(occurrences(WORDS[name], [module("m", f"{text} {text}\nlookup tone.id stellar")]))) == 2
