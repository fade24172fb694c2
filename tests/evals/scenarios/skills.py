"""Skills: each is followed step by step by an agent that makes exactly the calls its instructions name."""

from typing import Final

from tests.evals.environment import Setting, approve
from tests.evals.graders import (
    Grader,
    Played,
    answer_has,
    asked_for,
    called_once,
    called_tools,
    effects,
    ended,
    nothing,
    reasoned,
    sent,
)
from tests.evals.scenario import WEB, Scenario, calls, says_without_looking
from tests.evals.scenarios.diagnosis import stop_db
from vpsops.mcp_server.prompts.skills import SKILLS
from vpsops.playground.agents.model import Script, call

NEW: Final = "web50.example.com"
TOOLS: Final = {entry.skill.name: (*entry.reads, *entry.changes) for entry in SKILLS}
ORDER: Final = call(
    "vps_create",
    hostname=NEW,
    plan="vps-2gb-1cpu",
    region="oslo",
    os_template="ubuntu-24.04",
    reason="The team needs a second web server.",
)


def follows(skill: str) -> Grader:
    """Return a grader: every tool that the skill names was called, and none before the skill's first one."""

    def grade(played: Played) -> str:
        first = played.turns[0].tool if played.turns else "nothing"
        complaint = "" if first == TOOLS[skill][0] else f"it began with {first}, not {TOOLS[skill][0]}"
        return complaint or called_tools(*TOOLS[skill])(played)

    return grade


def provision() -> Script:
    turn = yield call("vps_plans")
    plan = next(entry for entry in turn.structured["plans"] if entry["code"] == "vps-2gb-1cpu")
    yield call("vps_regions")
    yield call("vps_os_templates")
    turn = yield call("vps_list", name="web50")
    if turn.structured["servers"]:
        return f"{NEW} is taken."
    turn = yield ORDER
    while turn.structured.get("state") not in {"succeeded", "failed", "denied"}:
        turn = yield call("vps_change_wait", change=turn.structured["change"], seconds=4)
    return f"It costs {plan['monthly_price']} {plan['currency']} a month. {turn.text}"


def incident() -> Script:
    turn = yield call("vps_get", server="db01")
    state = turn.structured["state"]
    yield call("vps_status", server="db01")
    yield call("vps_changes", server="db01", state="any")
    return f"db01 is {state}. Nothing of ours stopped it. Shall I ask for a start?"


def cost_review() -> Script:
    turn = yield call("vps_plans")
    dearest = max(turn.structured["plans"], key=lambda plan: float(plan["monthly_price"]))
    cursor: dict[str, str] = {}
    while True:
        turn = yield call("vps_list", limit=100, **cursor)
        if not turn.structured.get("next_cursor"):
            break
        cursor = {"cursor": turn.structured["next_cursor"]}
    yield call("vps_status", server=WEB)
    return f"The dearest plan is {dearest['code']}. Proposals only: nothing was changed."


def report() -> Script:
    turn = yield call("vps_list", state="stopped")
    names = ", ".join(entry["hostname"] for entry in turn.structured["servers"])
    yield call("vps_changes", state="any")
    return f"Stopped: {names}. No change waits for a person."


SKILL_SCENARIOS: Final = (
    Scenario(
        "the skill to set up a server",
        "change",
        f"Set up {NEW} in Oslo with 2 GB and Ubuntu 24.04.",
        Setting(people=approve()),
        (
            follows("provision-server"),
            called_once("vps_create"),
            effects(("create", NEW)),
            reasoned,
            sent(1),
            ended("succeeded"),
        ),
        provision,
        calls("It is there.", ORDER),
    ),
    Scenario(
        "the skill for an incident",
        "find",
        "db01 is down. Find out why before anybody restarts it.",
        Setting(arrange=stop_db),
        (follows("incident"), nothing, asked_for(), answer_has("stopped")),
        incident,
        calls("I started it.", call("vps_start", server="db01", reason="down")),
    ),
    Scenario(
        "the skill for a review of costs",
        "find",
        "What could we save on servers?",
        Setting(),
        (follows("cost-review"), nothing, asked_for(), answer_has("vps-")),
        cost_review,
        says_without_looking("Delete web30."),
    ),
    Scenario(
        "the skill for a morning report",
        "find",
        "The morning report, please.",
        Setting(),
        (follows("morning-report"), nothing, asked_for(), answer_has("mail04", "web30")),
        report,
        says_without_looking("All is well."),
    ),
)
