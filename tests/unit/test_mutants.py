"""The driver of `make mutants`: what it alters, what it draws, and that what it names is there."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.docs.generate import ROOT
from tests.harness.patience import PATIENCE_SECONDS
from tests.mutants.areas import AREAS, missing
from tests.mutants.copies import CopyError, MutantVerdict, TreeCopy
from tests.mutants.draw import Survivor, all_mutants, drawn, survivors
from tests.mutants.operators import Mutant, mutants_of
from tests.mutants.report import Result, complaints, score

DECIDING = ("core/backup", "core/shipment", "core/limits", "core/policy", "core/policy_register", "core/wayscloud")
BESIDE = {
    "core/policy/decision.py",  # data
    "core/policy_register/consequence.py",  # says what a difference means, and decides nothing
    "core/policy_register/difference.py",
    "core/policy_register/diagnostics.py",
    "core/policy_register/file_text.py",
    "core/policy_register/force.py",  # hands on what was loaded
    "core/policy_register/humans.py",  # what `policy explain` says of people
    "core/policy/rights.py",  # asks the policy
    "core/shipment/otlp.py",  # hands on
    "core/wayscloud/answers/field_names.py",  # tables of names
    "core/wayscloud/answers/errors.py",
    "core/wayscloud/answers/models.py",
    "core/wayscloud/requests/call_telemetry.py",  # counts and traces
    "core/wayscloud/requests/endpoints.py",
    "core/wayscloud/server_parts/backup_answers.py",
    "core/wayscloud/server_parts/backups.py",
    "core/wayscloud/server_parts/part_answers.py",
    "core/wayscloud/server_parts/part_calls.py",
    "core/wayscloud/server_parts/snapshot_answers.py",
    "core/wayscloud/server_parts/firewall.py",
    "core/wayscloud/server_parts/firewall_answers.py",
    "core/wayscloud/server_parts/snapshots.py",
}


def faults(source: str) -> set[str]:
    """Return what a module is turned into, each as one text."""
    return {mutant.applied(source.encode()).decode() for mutant in mutants_of("a.py", source.encode())}


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("a = b <= c\n", "a = (b < c)\n"),
        ("a = b < c\n", "a = (b <= c)\n"),
        ("a = b == c\n", "a = (b != c)\n"),
        ("a = b is c\n", "a = (b is not c)\n"),
        ("a = b in c\n", "a = (b not in c)\n"),
        ("a = b and c\n", "a = (b or c)\n"),
        ("a = b or c\n", "a = (c)\n"),
        ("a = not b\n", "a = (b)\n"),
        ("a = b | c\n", "a = (c)\n"),
        ("a = b - c\n", "a = (b)\n"),
        ("a = 300\n", "a = 301\n"),
        ("a = 300\n", "a = 30000\n"),
        ("a = True\n", "a = False\n"),
        ("a = (b.X, b.Y)\n", "a = (b.X,)\n"),
        ('a = frozenset({"x", "y"})\n', "a = frozenset({'y'})\n"),
        ("a = {b.X: {b.Y}, b.Z: {b.X}}\n", "a = {b.X: {b.Y, b.X}, b.Z: {b.X}}\n"),
        ("a = {b: 1, c: 2}\n", "a = {c: 2}\n"),
        ("a(b)\n", "pass\n"),
        ("a.b = c\n", "pass\n"),
        ("if a:\n    raise B\n", "if True:\n    raise B\n"),
        ("if a:\n    raise B\n", "if a:\n    pass\n"),
        ("a = b if c else d\n", "a = (d)\n"),
        ("a = [b for b in c if d]\n", "a = [b for b in c if True]\n"),
        ("a = any(b)\n", "a = all(b)\n"),
        ("a = b.strip()\n", "a = (b)\n"),
        ("a = q.where(b, c)\n", "a = (q.where(c))\n"),
        ("a = b(c, d=e)\n", "a = (b(c))\n"),
        ("a = b[:9]\n", "a = (b)\n"),
    ],
)
def test_each_kind_of_fault_is_made(source: str, fault: str) -> None:
    """One stretch of the source is another, and the rest stays to the letter."""
    assert fault in faults(source)


@pytest.mark.parametrize(
    "source",
    [
        '"""Words."""\n',
        "from a import b\n",
        'raise A("is not " + b, hint="ask again" if c else "")\n',
        'LOG.info("a", b=1)\n',
        "a: dict[str, int]\n",
        "@b(c=1)\ndef a(): ...\n",
        'a = f"{b + 1}"\n',
    ],
)
def test_words_for_people_and_types_stay(source: str) -> None:
    """Nobody tests a sentence by its letters; a `raise` may go, its words may not change."""
    assert faults(source) <= {"pass\n"}


def test_a_mutant_keeps_its_name_when_other_lines_change() -> None:
    """So that a draw and the list of survivors outlive an edit elsewhere."""
    old = mutants_of("a.py", b"def f():\n    return a < b\n")
    new = mutants_of("a.py", b"# more\n\ndef g(): ...\n\ndef f():\n    return a < b\n")
    assert {item.ident for item in old} <= {item.ident for item in new}
    twice = mutants_of("a.py", b"a = b < c\nd = b < c\n")
    assert len({item.ident for item in twice}) == len(twice) == 2


def test_a_draw_is_repeatable_and_takes_from_each_area() -> None:
    """By its seed, another by another; as many of each as there are."""
    pool = {name: [Mutant(name, "", "x", "a", str(n)) for n in range(30)] for name in ("p", "q")}
    entry = drawn(pool, 1, 20)
    assert [area for area, _ in entry].count("p") == 10
    assert drawn(pool, 1, 20) == entry
    assert drawn(pool, 2, 20) != entry
    assert len(drawn(pool, 1, 1000)) == 60


MUTANT = Mutant("a.py", "", "x", "a", "b")
NAMED = {MUTANT.ident: Survivor(MUTANT.ident, "a.py", "why")}


@pytest.mark.parametrize(
    ("verdict", "named", "text"),
    [
        (MutantVerdict.FAILED, {}, ""),
        (MutantVerdict.ENDLESS, {}, ""),
        (MutantVerdict.PASSED, {}, "nothing noticed"),
        (MutantVerdict.FAILED, NAMED, "take it out"),
        (MutantVerdict.PASSED, {**NAMED, "x": Survivor("x", "b.py", "why")}, "no mutant any more"),
    ],
)
def test_a_run_is_good_where_all_is_noticed_or_named(
    verdict: MutantVerdict, named: dict[str, Survivor], text: str
) -> None:
    """And a name for what is noticed, or gone, is as wrong as none."""
    noticed = [Result("p", replace(MUTANT, after=str(n)), MutantVerdict.FAILED, drawn=True) for n in range(9)]
    results = complaints([*noticed, Result("p", MUTANT, verdict, drawn=True)], named)
    assert results == [] if not text else text in " ".join(results)


def test_nine_in_ten_are_enough_and_less_is_not() -> None:
    """Named survivors count among those that were drawn."""
    results = [Result("p", replace(MUTANT, after=str(n)), MutantVerdict.FAILED, drawn=True) for n in range(8)]
    survivor = Result("p", MUTANT, MutantVerdict.PASSED, drawn=True)
    assert score([*results, survivor]) < 0.9
    assert any("only 88.9%" in complaint for complaint in complaints([*results, survivor], NAMED))
    assert complaints([*results, replace(survivor, drawn=False)], NAMED) == []


def test_what_the_areas_name_is_there() -> None:
    """Modules and tests, after any renaming."""
    assert missing() == []
    modules = [module for area in AREAS.values() for module in area.modules]
    assert len(modules) == len(set(modules))


def test_no_module_of_these_folders_is_left_out() -> None:
    """A new one is in an area, or is named here as one that decides nothing."""
    named = {module for area in AREAS.values() for module in area.modules}
    there = {path.relative_to(ROOT).as_posix() for folder in DECIDING for path in (ROOT / folder).rglob("[!_]*.py")}
    assert there - named == BESIDE


@pytest.mark.slow  # it draws every mutant of sixty modules
def test_each_named_survivor_is_a_mutant_of_today() -> None:
    """`make mutants` runs each; an entry for a changed line is removed or renamed."""
    known = {mutant.ident: mutant.path for mutants in all_mutants().values() for mutant in mutants}
    assert [survivor for survivor in survivors().values() if known.get(survivor.ident) != survivor.path] == []


def test_a_copy_is_as_before_once_its_mutant_was_tried(tmp_path: Path) -> None:
    """And the tree itself is never written."""
    path = "core/authorization/agent_pause.py"
    source = (ROOT / path).read_bytes()
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_bytes(source)
    mutant, copy = mutants_of(path, source)[0], TreeCopy(tmp_path)
    with copy.mutated(mutant):
        assert (tmp_path / path).read_bytes() == mutant.applied(source) != source
        first = (tmp_path / path).stat().st_mtime
    assert (tmp_path / path).read_bytes() == source == (ROOT / path).read_bytes()
    assert (tmp_path / path).stat().st_mtime != first


@pytest.mark.parametrize(
    ("test", "verdict"),
    [
        ("assert True", MutantVerdict.PASSED),
        ("assert False", MutantVerdict.FAILED),
        ("import missing_module", MutantVerdict.FAILED),
    ],
)
@pytest.mark.slow
@pytest.mark.real_time
def test_a_copys_tests_pass_or_fail(tmp_path: Path, test: str, verdict: MutantVerdict) -> None:
    (tmp_path / "test_it.py").write_text(f"{test}\ndef test_it() -> None: {test}\n", encoding="utf-8")
    assert TreeCopy(tmp_path).test(["test_it.py"], PATIENCE_SECONDS) is verdict


@pytest.mark.slow
@pytest.mark.real_time
def test_a_python_without_pytest_notices_nothing(tmp_path: Path) -> None:
    """It ends with the code of a failed test, and says nothing about the mutant."""
    (tmp_path / "pytest").mkdir()
    (tmp_path / "pytest" / "__init__.py").touch()
    (tmp_path / "pytest" / "__main__.py").write_text("raise SystemExit(1)", encoding="utf-8")
    with pytest.raises(CopyError, match="ended with 1"):
        TreeCopy(tmp_path).test(["test_it.py"], PATIENCE_SECONDS)
