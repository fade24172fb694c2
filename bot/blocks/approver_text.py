"""Approvers in words, which notify no one, and as mentions, which do."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from vpsops.bot.blocks.text import channel_link, escape_untrusted, is_user_id, user_mention
from vpsops.core.identity.actors import Approvers

CHANNEL_MENTION: Final = "<!channel>"
"""Notifies the members of a channel; Slack ignores it in threads."""
MOST_NAMED: Final = 8
LONGEST_NAME: Final = 80


@dataclass(frozen=True, slots=True)
class ApproverLabels:
    """What Slack calls approvers: handles of user groups, names of people, accounts of e-mail addresses, by id."""

    groups: Mapping[str, str] = field(default_factory=dict)
    people: Mapping[str, str] = field(default_factory=dict)
    accounts: Mapping[str, str] = field(default_factory=dict)

    def account(self, person: str) -> str:
        """Return the Slack account of a person that a rule names; empty where it is not known."""
        return person.upper() if is_user_id(person.upper()) else self.accounts.get(person.lower(), "")

    def groups_of(self, approvers: Approvers) -> Mapping[str, str]:
        """Return the handles of the approvers' groups, as far as they are known."""
        return {ident: handle for ident in approvers.groups if (handle := self.groups.get(ident.upper()))}


UNLABELLED: Final = ApproverLabels()


def approver_words(approvers: Approvers, labels: ApproverLabels = UNLABELLED) -> list[str]:
    """Name approvers as escaped mrkdwn: channels as links, groups by handle and people by name."""
    channels = [f"members of {channel_link(ident.upper())}" for ident in approvers.channels[:MOST_NAMED]]
    groups = [_group(labels.groups.get(ident.upper(), "")) for ident in approvers.groups[:MOST_NAMED]]
    people = [_person(person, labels) for person in approvers.people[:MOST_NAMED]]
    return list(dict.fromkeys([*channels, *groups, *people]))


def _group(handle: str) -> str:
    return f"@{escape_untrusted(handle, LONGEST_NAME)}" if handle else "a user group"


def _person(person: str, labels: ApproverLabels) -> str:
    account = labels.account(person)
    name = labels.people.get(account, "")
    return f"@{escape_untrusted(name, LONGEST_NAME)}" if name else user_mention(account, person)


def approver_mentions(approvers: Approvers, channel: str, labels: ApproverLabels = UNLABELLED) -> tuple[str, ...]:
    """Return the mentions by which a message in a channel notifies the approvers that are in it."""
    whole = [CHANNEL_MENTION] if channel in {ident.upper() for ident in approvers.channels} else []
    return tuple(dict.fromkeys([*whole, *group_mentions(approvers), *_named(approvers, labels)]))


def group_mentions(approvers: Approvers) -> list[str]:
    """Return the mentions of the approvers' user groups."""
    return [f"<!subteam^{escape_untrusted(ident.upper(), 40)}>" for ident in approvers.groups]


def _named(approvers: Approvers, labels: ApproverLabels) -> list[str]:
    accounts = [labels.account(person) for person in approvers.people]
    return [user_mention(account) for account in accounts if account]
