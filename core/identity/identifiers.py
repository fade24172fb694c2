"""How a human is named: an e-mail address, an id that is declared to be Slack's, or a user of this machine.

The shape of a word declares nothing: `U123456` may be an employee number. `slack:U123456` is a Slack id.
"""

import re
import unicodedata
from typing import Final

from vpsops.core.identity.actors import SLACK

LONGEST_EMAIL: Final = 254
_SLACK_ID: Final = re.compile(r"[UW][A-Z0-9]{1,30}")


def slack_name(ident: str) -> str:
    """Return the name of a human by Slack id, `slack:U…`; raises `ValueError`."""
    bare = ident.strip().removeprefix(SLACK)
    if not _SLACK_ID.fullmatch(bare):
        raise ValueError("a Slack user id begins with U or W and has capitals and digits alone")
    return f"{SLACK}{bare}"


def normal_email(text: str) -> str:
    """Return an e-mail address in the one form it is kept and compared in; raises `ValueError`."""
    email = unicodedata.normalize("NFC", text.strip(" ")).lower()
    local, _, domain = email.partition("@")
    if not local or "@" in domain or len(email) > LONGEST_EMAIL:
        raise ValueError("an e-mail address has one @, with a name before it, and 254 characters at most")
    if not all(domain.split(".")) or "." not in domain:
        raise ValueError("the part of an e-mail address behind the @ is a whole domain, such as example.com")
    if not all(_is_plain(letter) for letter in email):
        raise ValueError("an e-mail address has no spaces and no control or invisible characters")
    if any(len(_scripts(part)) > 1 for part in (local, *domain.split("."))):
        raise ValueError("an e-mail address does not mix alphabets")
    return email


def normal_human(text: str) -> str:
    """Return a human's name as it is kept: an e-mail address, or `slack:U…`; raises `ValueError`."""
    if text.strip().startswith(SLACK):
        return slack_name(text)
    if "@" not in text:
        raise ValueError(f"write an e-mail address, or a Slack user id as {SLACK}U…")
    return normal_email(text)


def looks_like_slack(word: str) -> bool:
    """Return whether a word could be taken for a Slack id that no one declared as such."""
    return _SLACK_ID.fullmatch(word.strip().upper()) is not None


def _is_plain(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LNPSM" and not character.isspace()


def _scripts(part: str) -> frozenset[str]:
    """Return the alphabets of a word's letters; what Unicode names them by stands first in a letter's name."""
    letters = (letter for letter in part if letter.isalpha())
    return frozenset(unicodedata.name(letter, "UNNAMED").split()[0] for letter in letters)
