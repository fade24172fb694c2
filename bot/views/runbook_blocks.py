"""The list of registered runbooks, each with what to type."""

from collections.abc import Sequence

from vpsops.bot.blocks.elements import Post, context, mrkdwn, plain, section
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.bot.messages.ephemeral import note
from vpsops.bot.messages.help import packed_sections
from vpsops.bot.protocol.command_catalog import SLASH
from vpsops.core.common.errors import VpsopsError
from vpsops.core.runbooks.register import RegisteredRunbook


def runbooks_post(runbooks: Sequence[RegisteredRunbook]) -> Post:
    """Render the runbooks by their names, each with its arguments and its description."""
    if not runbooks:
        return note("There are no runbooks.", "They are stored at a terminal: vpsops runbook apply FILE.")
    lead = section(plain(f"{SLASH} runbook NAME ARGUMENT=VALUE because REASON asks once for all steps of one:"))
    small = context(mrkdwn("An argument in [brackets] may be left out."))
    return Post((lead, *packed_sections([runbook_line(each) for each in runbooks]), small))


def runbook_line(registered: RegisteredRunbook) -> str:
    """Return a runbook on one line (mrkdwn); one that is never run says so."""
    try:
        runbook = registered.runbook
    except VpsopsError:
        name = escape_untrusted(registered.name, 40)
        return f"*{name}* cannot be run: it is not as it was applied, or not understood by this version."
    return f"*{escape_untrusted(runbook.usage, 400)}* {escape_untrusted(runbook.description, 160)}"
