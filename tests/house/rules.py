"""What is counted: each rule returns its findings as `path:line what`."""

import ast
import builtins
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from tests.house.tree import Module

Rule = Callable[[Sequence[Module]], Iterator[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef

LONGEST_FILE: Final = 400
LONGEST_FUNCTION: Final = 30
MOST_MODULES: Final = 12
VAGUE: Final = frozenset({"one", "its", "found"})
PARTICIPLE: Final = re.compile(r"(.{2,}ing|.{3,}ed)", re.IGNORECASE)
IRREGULAR: Final = re.compile(
    r"born|bound|broken|chosen|done|drawn|driven|found|given|gone|held|hidden|kept|known|left|lost|made|meant|met|paid"
    r"|put|read|said|seen|sent|shown|sold|spoken|taken|told|typed|understood|won|written"
)
NOUN: Final = re.compile(
    r"building|feed|heading|listing|logging|mapping|meaning|parsing|ping|rating|ring|seed|setting|speed|string|timing"
)
"""Words that end like a participle and are none, or stand for a thing in the field's own language."""
METAPHOR: Final = re.compile(
    r"backstage|bell|bodies|courtesy|desk|doer|furniture|grants|ground|hands|keeper|lookout|mortals|newsroom|occasions"
    r"|places|plays?|remedies|room|scene|several|stage|together|truth|usual|world"
)
"""Nicknames that modules had. A server's parts, the people of a workspace and lines of input are what they say."""
PREDICATE: Final = re.compile(r"is|has|have|can|may|[a-z]{2,}s")
"""The first word of a predicate: it asks, or it is a verb in the third person (`covers`, `needs_votes`)."""
SCOPES: Final = frozenset({"fail_after", "move_on_after"})
WAITS: Final = frozenset({"eventually", "until", "wait_for"})
LIMITS: Final = frozenset({"timeout", "read_timeout_seconds"})
OWN_LIMITS: Final = frozenset({"patience", "limit", "seconds"})
MINUTE: Final = 60.0
LOGGERS: Final = frozenset({"get_logger", "getLogger"})
LEVELS: Final = frozenset({"debug", "info", "warning", "error", "exception", "critical"})
EVENT: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
PURE: Final = re.compile(r"; pure\b|\bpure\.$")


def classes_with_two_meanings(modules: Sequence[Module]) -> Iterator[str]:
    """Return the names of classes that stand in several modules, private ones without their underscore."""
    places: dict[str, set[str]] = defaultdict(set)
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.ClassDef):
                places[node.name.lstrip("_")].add(str(module.path))
    yield from (f"{name}: {', '.join(sorted(them))}" for name, them in sorted(places.items()) if len(them) > 1)


def modules_without_a_noun(modules: Sequence[Module]) -> Iterator[str]:
    """Return modules whose name ends in a participle or gerund, begins with `on_`, or is a metaphor."""
    for module in modules:
        words = module.path.stem.removeprefix("test_").split("_")
        if not module.is_package and (
            words[0] == "on" or is_participle(words[-1]) or METAPHOR.fullmatch("_".join(words))
        ):
            yield str(module.path)


def is_participle(word: str) -> bool:
    """Say whether an English word looks like a participle or gerund."""
    return bool(IRREGULAR.fullmatch(word) or (PARTICIPLE.fullmatch(word) and not NOUN.fullmatch(word)))


def vague_variables(modules: Sequence[Module]) -> Iterator[str]:
    """Return variables and parameters whose name says nothing."""
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in VAGUE:
                yield f"{module.path}:{node.lineno} {node.id}"
            if isinstance(node, ast.arg) and node.arg in VAGUE:
                yield f"{module.path}:{node.lineno} {node.arg}"


def exceptions_without_error(modules: Sequence[Module]) -> Iterator[str]:
    """Return exceptions whose name does not end in Error."""
    classes = [(module, node) for module in modules for node in module.nodes if isinstance(node, ast.ClassDef)]
    known = {
        name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)
    }
    before = 0
    while before != len(known):
        before = len(known)
        known |= {node.name for _, node in classes if known & set(_bases(node))}
    for module, node in classes:
        if node.name in known and known & set(_bases(node)) and not node.name.endswith("Error"):
            yield f"{module.path}:{node.lineno} {node.name}"


def _bases(node: ast.ClassDef) -> Iterator[str]:
    return (ast.unparse(base).rpartition(".")[2] for base in node.bases)


def predicates_that_do_not_ask(modules: Sequence[Module]) -> Iterator[str]:
    """Return functions of modules and classes that return a bool at once and are not called like a question."""
    for module in modules:
        bodies = [module.tree.body, *(node.body for node in module.nodes if isinstance(node, ast.ClassDef))]
        for node in (node for body in bodies for node in body if isinstance(node, ast.FunctionDef)):
            word = node.name.removeprefix("_").partition("_")[0]
            if node.returns and ast.unparse(node.returns) == "bool" and word and not PREDICATE.fullmatch(word):
                yield f"{module.path}:{node.lineno} {node.name}"


def short_limits(modules: Sequence[Module]) -> Iterator[str]:
    """Return waits of less than a minute that are written as numbers: they measure the machine, and give no reason."""
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.Call) and any(0 < limit < MINUTE for limit in _limits(node)):
                yield f"{module.path}:{node.lineno} {ast.unparse(node)[:80]}"


def _limits(call: ast.Call) -> Iterator[float]:
    """Return the limits in seconds of a call that waits, as far as they are numbers."""
    name = ast.unparse(call.func).rpartition(".")[2]
    values = [keyword.value for keyword in call.keywords if keyword.arg in LIMITS]
    if name in SCOPES:
        values += call.args[:1]
    if name in WAITS:
        values += [*call.args[1:2], *(keyword.value for keyword in call.keywords if keyword.arg in OWN_LIMITS)]
    for node in values:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            yield node.value


def loggers_by_other_names(modules: Sequence[Module]) -> Iterator[str]:
    """Return loggers that are not called `logger`."""
    for module in modules:
        yield from (f"{module.path} {name}" for name in _loggers(module) if name != "logger")


def _loggers(module: Module) -> Iterator[str]:
    for node in module.nodes:
        made = node.value if isinstance(node, ast.Assign) else None
        if isinstance(made, ast.Call) and ast.unparse(made.func).rpartition(".")[2] in LOGGERS:
            yield from (
                ast.unparse(target) for target in ast.walk(node) if isinstance(getattr(target, "ctx", None), ast.Store)
            )


def log_events_that_are_sentences(modules: Sequence[Module]) -> Iterator[str]:
    """Return log events that are no snake_case keys."""
    for module in modules:
        loggers = {"logger", *_loggers(module)}
        for node in module.nodes:
            event = _event(node, loggers)
            if event is not None and not EVENT.fullmatch(event):
                yield f"{module.path}:{node.lineno} {event!r}"  # type: ignore[attr-defined] # a call has a line


def _event(node: ast.AST, loggers: set[str]) -> str | None:
    """Return the event of a call of a logger, as far as it stands there."""
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
        return None
    if node.func.attr not in LEVELS or ast.unparse(node.func.value) not in loggers:
        return None
    event = node.args[0]
    if isinstance(event, ast.Constant) and isinstance(event.value, str):
        return event.value
    return ast.unparse(event) if isinstance(event, ast.JoinedStr) else None


def docstrings_that_say_pure(modules: Sequence[Module]) -> Iterator[str]:
    """Return docstrings that claim in words what an import contract holds."""
    for module in modules:
        for node in module.nodes:
            if isinstance(node, ast.Module | ast.ClassDef | Function):
                first, _, _ = (ast.get_docstring(node) or "").partition("\n")
                if PURE.search(first):
                    yield f"{module.path}: {first}"


def long_files(modules: Sequence[Module]) -> Iterator[str]:
    """Return files of more than 400 lines."""
    for module in modules:
        if len(module.lines) > LONGEST_FILE:
            yield f"{module.path} {len(module.lines)} lines"


def long_functions(modules: Sequence[Module]) -> Iterator[str]:
    """Return functions of more than 30 lines, their docstring aside."""
    for module in modules:
        for node in module.nodes:
            if isinstance(node, Function):
                length = _lines(node) - (_lines(node.body[0]) if ast.get_docstring(node) else 0)
                if length > LONGEST_FUNCTION:
                    yield f"{module.path}:{node.lineno} {node.name}, {length} lines"


def _lines(node: Function | ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def modules_beyond_twelve(modules: Sequence[Module]) -> Iterator[str]:
    """Return, for each folder, as many findings as it has modules beyond twelve."""
    counts = Counter(str(module.path.parent) for module in modules if not module.is_package)
    for folder, count in sorted(counts.items()):
        yield from (f"{folder} has {count}" for _ in range(count - MOST_MODULES))


RULES: Final[Mapping[str, Rule]] = {
    "classes with two meanings": classes_with_two_meanings,
    "modules without a noun": modules_without_a_noun,
    "variables one, its, found": vague_variables,
    "exceptions not ending in Error": exceptions_without_error,
    "predicates that do not ask": predicates_that_do_not_ask,
    "limits written as numbers": short_limits,
    "loggers not called logger": loggers_by_other_names,
    "log events that are sentences": log_events_that_are_sentences,
    "docstrings that say pure": docstrings_that_say_pure,
    "files over 400 lines": long_files,
    "functions over 30 lines": long_functions,
    "modules beyond 12 in a folder": modules_beyond_twelve,
}
