"""Skills: the prompts' work for hosts that load instructions by themselves, listed as far as a caller's tools reach.

A skill names every tool it needs and embeds no facts, so that its digest is the same for every caller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vpsops.mcp_server.prompts import steps
from vpsops.mcp_server.prompts.steps import RULES, address
from vpsops.mcp_server.protocol.skills import Skill
from vpsops.mcp_server.resources.reader import ResourceReader

FOLDER: Final = "skill://vpsops"
HUMAN: Final = "your human"


@dataclass(frozen=True, slots=True)
class ToolSkill:
    """A skill, and the tools without which it cannot be followed; those in `changes` also need the right to write."""

    skill: Skill
    reads: tuple[str, ...]
    changes: tuple[str, ...] = ()

    def is_within_reach_of(self, reader: ResourceReader) -> bool:
        """Return whether a caller has all tools of this skill."""
        caller = reader.caller
        tools = (*self.reads, *self.changes)
        return reader.granted and (caller.may_change or not self.changes) and all(map(caller.reach.allows, tools))


def _skill(name: str, description: str, *lines: str) -> Skill:
    return Skill(FOLDER, name, description, "\n\n".join((*address(lines, HUMAN), RULES)))


SKILLS: Final = (
    ToolSkill(
        _skill(
            "provision-server",
            "Set up a new server (VPS): choose plan, region and operating system, say the price, create it once."
            " Use it when a new server is asked for.",
            "Read the choices with vps_plans, vps_regions and vps_os_templates.",
            "Ask {human} for what is missing of hostname, plan, region and operating system, with a suggestion.",
            *steps.PROVISION,
        ),
        ("vps_plans", "vps_regions", "vps_os_templates", "vps_list"),
        ("vps_create",),
    ),
    ToolSkill(
        _skill(
            "incident",
            "Find out why a server (VPS) is slow, unreachable or down, and what is safe to do about it."
            " Use it before you restart anything.",
            "Read the server with vps_get, its load with vps_status and its changes with vps_changes.",
            *steps.INCIDENT,
        ),
        ("vps_get", "vps_status", "vps_changes"),
    ),
    ToolSkill(
        _skill(
            "cost-review",
            "Review what the servers (VPS) cost a month and what could be saved. It changes nothing.",
            "Read the prices with vps_plans and the servers with vps_list, page by page.",
            *steps.COST_REVIEW,
        ),
        ("vps_plans", "vps_list", "vps_status"),
    ),
    ToolSkill(
        _skill(
            "morning-report",
            "Report in a few lines what happened to the servers (VPS) in the last day and what needs a person.",
            "Read the servers with vps_list and the changes of the last 24 hours with vps_changes.",
            *steps.REPORT,
        ),
        ("vps_list", "vps_changes"),
    ),
)


def skills_of(reader: ResourceReader) -> Sequence[Skill]:
    """Return the skills that a caller can follow with the tools it has."""
    return [entry.skill for entry in SKILLS if entry.is_within_reach_of(reader)]
