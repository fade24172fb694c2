"""A text in a stored JSON object, as a condition sees it: a value that is no JSON has none, and fails no query."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class JsonText(FunctionElement[str]):
    """The text under a key of a column; NULL where there is none."""

    name = "json_text"
    type = sa.Text()
    inherit_cache = True

    def __init__(self, column: sa.Column[Any], key: str) -> None:
        super().__init__(column, sa.literal(key, sa.Text))


@compiles(JsonText, "sqlite")
def _on_sqlite(element: JsonText, compiler: SQLCompiler, **options: Any) -> str:
    """SQLite stores a JSON column as any text, and raises for a whole query where one row of it is none."""
    column, key = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CASE WHEN json_valid({column}) THEN json_extract({column}, '$.' || {key}) END"


@compiles(JsonText)
def _elsewhere(element: JsonText, compiler: SQLCompiler, **options: Any) -> str:
    column, key = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({column} ->> {key})"
