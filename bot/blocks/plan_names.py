"""The servers of a plan that its card only counts, for the thread of the card."""

from typing import Final

from vpsops.bot.blocks.elements import Post, context, plain, section
from vpsops.core.changes.model import Change
from vpsops.core.common.text import count_text
from vpsops.core.plans.names import SEPARATOR, name_parts, other_names

PART: Final = 2_600
"""Characters of names in one message; its text for screen readers holds all of them."""


def name_posts(change: Change) -> list[Post]:
    """Return the messages with the names that a plan's card only counts; none where it has all, and for other changes.

    At most a hundred: of a thousand servers with the longest names there are.
    """
    count = len(change.target.members)
    others = other_names(change)
    first, posts = count - len(others) + 1, []
    for part in name_parts(others, PART):
        last = first + len(part) - 1
        numbers = f"Server {first}" if first == last else f"Servers {first} to {last}"
        head = context(plain(f"{numbers} of {count} of {change.id}"))
        posts.append(Post((section(plain(SEPARATOR.join(part))), head)))
        first = last + 1
    return posts


def names_text(change: Change, *, posted: bool) -> str:
    """Return where the names are that a plan's card only counts; "" where it has all, at the end, and for others."""
    others = len(other_names(change))
    if not others or change.state.final:
        return ""
    more = count_text(others, "more server")
    if posted:
        return f"The names of {more} are in the thread of this message."
    return (
        f"The names of {more} are not in the thread of this message, and no one can agree before they are."
        f" Where that stays, read them with vpsops changes {change.id} at a terminal, and ask for the servers in parts."
    )
