"""Enumerate the small faults of a module: each replaces one stretch of its source by another."""

import ast
import copy
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

Replacement = tuple[ast.AST, str, str]  # what is replaced, by which text, by which operator

COMPARISONS: Final[Mapping[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
NAMES: Final[Mapping[str, str]] = {"any": "all", "all": "any", "min": "max", "max": "min", "sorted": "list"}
METHODS: Final = frozenset({"lower", "upper", "strip", "rstrip", "lstrip", "removesuffix", "removeprefix", "desc"})
"""A call of one of these gives much the same as no call, and is forgotten as easily."""
CONDITIONS: Final = frozenset({"where", "and_", "or_", "filter"})
SPOKEN: Final = frozenset({"hint", "description", "title", "note", "frozen", "slots", "repr", "compare", "operation"})
"""Keywords that hold words for people or that only shape a class."""
CHECKED: Final = frozenset({"Field", "ConfigDict"})
"""Their arguments are checks of what comes from outside."""
LOGGERS: Final = frozenset({"LOG", "log", "_log", "logger"})
MANY: Final = 100


@dataclass(frozen=True, slots=True)
class Mutant:
    """One fault. All but the offsets names it, and stays when other lines of the module change."""

    path: str
    scope: str  # the qualified name of the function or class around it; empty at module level
    operator: str
    before: str
    after: str
    occurrence: int = 0  # among equal ones of the same scope
    start: int = field(default=0, compare=False)  # offsets in bytes
    end: int = field(default=0, compare=False)
    line: int = field(default=0, compare=False)

    @property
    def ident(self) -> str:
        """A short name that other mutants do not have."""
        parts = (self.path, self.scope, self.operator, self.before, self.after, str(self.occurrence))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:12]

    def applied(self, source: bytes) -> bytes:
        """Return the module's source with the fault in it."""
        return source[: self.start] + self.after.encode() + source[self.end :]


def mutants_of(path: str, source: bytes) -> list[Mutant]:
    """Return every fault of a module that still compiles and is not the module itself."""
    lines = [0]
    for line in source.splitlines(keepends=True):
        lines.append(lines[-1] + len(line))
    seen: Counter[tuple[str, str, str, str]] = Counter()
    mutants: list[Mutant] = []
    for scope, (node, after, operator) in _walk(ast.parse(source)):
        start, end = _span(node, lines)
        before = source[start:end].decode()
        key = (scope, operator, before, after)
        mutant = Mutant(path, scope, operator, before, after, seen[key], start, end, getattr(node, "lineno", 0))
        seen[key] += 1
        if _compiles(mutant.applied(source)):
            mutants.append(mutant)
    return mutants


def _span(node: ast.AST, lines: list[int]) -> tuple[int, int]:
    assert isinstance(node, ast.expr | ast.stmt)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return lines[node.lineno - 1] + node.col_offset, lines[node.end_lineno - 1] + node.end_col_offset


def _compiles(source: bytes) -> bool:
    try:
        compile(source, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


def _walk(node: ast.AST, scope: str = "") -> Iterator[tuple[str, Replacement]]:
    """Yield what can be replaced, depth first; words for people, annotations and decorators are left alone."""
    if _is_left_alone(node):
        return
    for operator in OPERATORS:
        for replacement in operator(node):
            yield scope, replacement
    if isinstance(node, ast.Raise):  # its words are for people
        return
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        scope = f"{scope}.{node.name}".lstrip(".")
    for child in _children(node):
        yield from _walk(child, scope)


def _children(node: ast.AST) -> Iterator[ast.AST]:
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "decorator_list", "type_comment"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.JoinedStr() | ast.Import() | ast.ImportFrom():
            return True
        case ast.Expr(value=ast.Constant()):  # a docstring, or `...`
            return True
        case ast.Expr(value=ast.Call(func=ast.Attribute(value=ast.Name(id=name)))):
            return name in LOGGERS
        case ast.keyword(arg=name):
            return name in SPOKEN
        case ast.Subscript(value=ast.Name(id="Annotated" | "Literal" | "Callable" | "type")):
            return True
        case _:
            return False


def _text(node: ast.AST) -> str:
    return f"({ast.unparse(node)})"


def _comparison(node: ast.AST) -> Iterator[Replacement]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        other = copy.copy(node)
        other.ops = [COMPARISONS[type(node.ops[0])]()]
        yield node, _text(other), "comparison"


def _boolean(node: ast.AST) -> Iterator[Replacement]:
    if isinstance(node, ast.BoolOp):
        swapped = ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
        yield node, _text(swapped), "and-or"
        for index in range(len(node.values)):
            rest = node.values[:index] + node.values[index + 1 :]
            yield node, _text(rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)), "operand"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node, _text(node.operand), "not"


def _condition(node: ast.AST) -> Iterator[Replacement]:
    match node:
        case ast.If(test=test):
            yield test, "True", "condition"
            yield test, "False", "condition"
        case ast.IfExp(body=body, orelse=orelse):
            yield node, _text(body), "branch"
            yield node, _text(orelse), "branch"
        case ast.comprehension(ifs=ifs):
            yield from ((test, "True", "condition") for test in ifs)
        case _:
            return


def _arithmetic(node: ast.AST) -> Iterator[Replacement]:
    if not isinstance(node, ast.BinOp) or _is_words(node.left) or _is_words(node.right):
        return
    yield node, _text(node.left), "operand"
    if isinstance(node.op, ast.BitOr | ast.BitAnd | ast.Add):
        yield node, _text(node.right), "operand"


def _is_words(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _constant(node: ast.AST) -> Iterator[Replacement]:
    if not isinstance(node, ast.Constant):
        return
    if isinstance(node.value, bool):
        yield node, str(not node.value), "constant"
    elif isinstance(node.value, int | float):
        yield node, repr(node.value + 1), "constant"
        if node.value:
            yield node, repr(node.value * MANY), "constant"


def _words(node: ast.AST) -> Iterator[Replacement]:
    """One word less in a set of words, one row less in a table, one row of a table of sets with a word more."""
    if isinstance(node, ast.Set | ast.List | ast.Tuple) and len(node.elts) > 1 and all(map(_is_word, node.elts)):
        stored = isinstance(getattr(node, "ctx", None), ast.Store)
        for index in range(0 if stored else len(node.elts)):
            yield node, _without(node, index), "word"
    if isinstance(node, ast.Dict) and len(node.keys) > 1 and all(node.keys):
        for index in range(len(node.keys)):
            less = ast.Dict(node.keys[:index] + node.keys[index + 1 :], node.values[:index] + node.values[index + 1 :])
            yield node, ast.unparse(less), "row"
        yield from _added(node)


def _is_word(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) or (isinstance(node, ast.Constant) and node.value is not None)


def _without(node: ast.Set | ast.List | ast.Tuple, index: int) -> str:
    less = copy.copy(node)
    less.elts = node.elts[:index] + node.elts[index + 1 :]
    return ast.unparse(less)


def _added(table: ast.Dict) -> Iterator[Replacement]:
    rows = {id(row): row for value in table.values for row in ast.walk(value) if isinstance(row, ast.Set)}
    words = {ast.unparse(word) for row in rows.values() for word in row.elts if _is_word(word)}
    for row in rows.values():
        present = [ast.unparse(word) for word in row.elts]
        for word in sorted(words - set(present)):
            yield row, "{" + ", ".join([*present, word]) + "}", "word"


def _statement(node: ast.AST) -> Iterator[Replacement]:
    match node:
        case ast.Expr(value=ast.Call() | ast.Await()) | ast.Raise() | ast.AugAssign() | ast.Delete() | ast.Break():
            yield node, "pass", "statement"
        case ast.Continue():
            yield node, "pass", "statement"
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, "pass", "statement"
        case _:
            return


def _call(node: ast.AST) -> Iterator[Replacement]:
    match node:
        case ast.Call(func=ast.Name(id=name)) if name in NAMES:
            yield node.func, NAMES[name], "call"
        case ast.Call(func=ast.Attribute(value=value, attr=name)) if name in METHODS:
            yield node, _text(value), "call"
        case ast.Call(func=ast.Attribute(attr=name), args=args) if name in CONDITIONS and len(args) > 1:
            for index in range(len(args)):
                yield node, _text(ast.Call(node.func, args[:index] + args[index + 1 :], node.keywords)), "operand"
        case _:
            return


def _argument(node: ast.AST) -> Iterator[Replacement]:
    """An argument less; a value that lacks a field is mostly not even built, so that is left out."""
    if not isinstance(node, ast.Call):
        return
    name = ast.unparse(node.func)
    if name[:1].isupper() and name not in CHECKED:
        return
    for keyword in node.keywords:
        if keyword.arg is not None and keyword.arg not in SPOKEN:
            rest = [other for other in node.keywords if other is not keyword]
            yield node, _text(ast.Call(node.func, node.args, rest)), "argument"


def _slice(node: ast.AST) -> Iterator[Replacement]:
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and isinstance(node.ctx, ast.Load):
        yield node, _text(node.value), "slice"


OPERATORS: Final[tuple[Callable[[ast.AST], Iterator[Replacement]], ...]] = (
    _comparison,
    _boolean,
    _condition,
    _arithmetic,
    _constant,
    _words,
    _statement,
    _call,
    _argument,
    _slice,
)
