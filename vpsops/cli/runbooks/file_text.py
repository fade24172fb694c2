"""The text of a runbook's file."""

import re
from pathlib import Path
from typing import Final

from vpsops.core.common.errors import InvalidInputError
from vpsops.core.runbooks.config_schema import NAME
from vpsops.core.runbooks.loader import MOST_CHARACTERS

REGISTERED: Final = re.compile(NAME)


def is_registered_name(word: str) -> bool:
    """Return whether a word names a registered runbook; one with a dot or a slash is the path of a file."""
    return REGISTERED.fullmatch(word) is not None


def read_text(path: str) -> str:
    """Return a file's text, one character more than a runbook may have at most; raises `InvalidInputError`."""
    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            return file.read(MOST_CHARACTERS + 1)
    except OSError as error:
        hint = "Check its path."
        if is_registered_name(path):
            hint = f"A file is a path with a dot or a folder, such as ./{path}."
        raise InvalidInputError(f"{path[:200]} cannot be read: {error.strerror}.", hint=hint) from None
    except UnicodeDecodeError:
        raise InvalidInputError(f"{path[:200]} is no text in UTF-8.", hint="Is it the right file?") from None
