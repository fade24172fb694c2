"""What a slash command does, once it is stored and acknowledged."""

from bot.answers import Wanted, run
from bot.blocks.notes import changes_page, help_page, note
from bot.commands import CancelChange, OpenCreate, Run, ShowChanges, ShowHelp, Unclear, parse
from bot.forms import open_create
from bot.parts import Asking, Parts
from bot.slack import Where
from bot.votes import withdraw
from bot.wire import SlashCommand
from core.inbox import Delivery


async def on_command(parts: Parts, delivery: Delivery) -> None:
    """Read what was typed and do it; answers are for the person alone."""
    command = SlashCommand.model_validate(delivery.payload)
    asking = asking_of(command, delivery.key)
    match parse(command.text):
        case Run() as wanted:
            await run(parts, asking, Wanted(wanted.operation, wanted.arguments, wanted.reason))
        case OpenCreate() as form:
            await open_create(parts, asking, command.trigger_id, form)
        case ShowHelp() as wanted_help:
            await parts.slack.tell(asking.where, help_page(wanted_help.topic))
        case ShowChanges():
            await parts.slack.tell(asking.where, changes_page(await parts.core.gate.changes(limit=15)))
        case CancelChange() as wanted_end:
            await _cancel(parts, asking, wanted_end)
        case Unclear() as unclear:
            await parts.slack.tell(asking.where, note(unclear.message, unclear.hint))


async def _cancel(parts: Parts, asking: Asking, wanted: CancelChange) -> None:
    change = await withdraw(parts, asking, await parts.core.gate.get(wanted.change), wanted.reason)
    await parts.slack.tell(asking.where, note(f"{change.id} is withdrawn and will not run."))


def asking_of(command: SlashCommand, key: str) -> Asking:
    """Return who asks, and where."""
    where = Where(command.user_id, command.channel_id, command.response_url)
    return Asking(command.user_id, command.user_name, command.team_id, where, key)
