"""The decision modules, and the tests that must notice a fault in each, the quickest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.docs.generate import ROOT

CORE: Final = "tests/unit/core"
BOT: Final = "tests/unit/bot"
MCP: Final = "tests/unit/mcp"


@dataclass(frozen=True, slots=True)
class Area:
    """Modules that decide one thing, each with the tests of its own before those of the area."""

    modules: Mapping[str, Sequence[str]]
    tests: Sequence[str]

    def tests_of(self, module: str) -> tuple[str, ...]:
        """Return the tests that must notice a fault in a module."""
        return tuple(dict.fromkeys((*self.modules[module], *self.tests)))

    @property
    def all_tests(self) -> tuple[str, ...]:
        """The tests of all modules, each once."""
        return tuple(dict.fromkeys(test for module in self.modules for test in self.tests_of(module)))


GATE: Final = Area(
    {
        "core/service/gate.py": (f"{CORE}/test_gate_edges.py", f"{CORE}/test_gate.py", f"{CORE}/test_limits.py"),
        "core/authorization/agent_pause.py": (f"{CORE}/test_pause.py",),
        "core/authorization/submission.py": (f"{CORE}/test_gate_edges.py", f"{CORE}/test_gate.py"),
        "core/authorization/votes.py": (
            f"{CORE}/test_gate_edges.py",
            f"{CORE}/test_gate.py",
            f"{CORE}/test_resolve.py",
        ),
        "core/changes/audit_entries.py": (f"{CORE}/test_record_edges.py",),
        "core/operations/server_lookup.py": (f"{CORE}/test_reference_edges.py",),
        "core/operations/servers.py": (f"{CORE}/test_reference_edges.py", f"{CORE}/test_lookup_edges.py"),
    },
    (
        f"{CORE}/test_gate_edges.py",
        f"{CORE}/test_gate.py",
        f"{CORE}/test_refusals.py",
        f"{CORE}/test_resolve.py",
        f"{CORE}/test_workspaces.py",
        f"{CORE}/test_pause.py",
        f"{CORE}/test_claim_edges.py",
    ),
)
CHANGES: Final = Area(
    {
        "core/execution/runner.py": (
            f"{CORE}/test_run_edges.py",
            f"{CORE}/test_execute_once.py",
            f"{CORE}/test_pause.py",
            f"{CORE}/test_poison.py",
            f"{CORE}/test_execute_faults.py",
            f"{CORE}/test_execute_storage.py",
            f"{CORE}/test_execute_clock.py",
        ),
        "core/execution/send_deadline.py": (f"{CORE}/test_run_edges.py", f"{CORE}/test_execute_clock.py"),
        "core/execution/reconciler.py": (
            f"{CORE}/test_keeper.py",
            f"{CORE}/test_run_edges.py",
            f"{CORE}/test_continuity.py",
        ),
        "core/outcomes/outcome.py": (f"{CORE}/test_lookup.py",),
        "core/changes/model.py": (f"{CORE}/test_gate_edges.py",),
        "core/execution/write_rate_limit.py": (f"{CORE}/test_pace.py",),
        "core/changes/preview.py": (
            f"{CORE}/test_reference_edges.py",
            f"{CORE}/test_run_edges.py",
            f"{CORE}/test_gate.py",
        ),
        "core/authorization/recheck.py": (
            f"{CORE}/test_policy_comparison.py",
            "tests/adversary/test_stricter_rules.py",
        ),
        "core/authorization/policy_comparison.py": (f"{CORE}/test_policy_comparison.py",),
        "core/changes/repository.py": (
            f"{CORE}/test_gate_edges.py",
            f"{CORE}/test_drift.py",
            f"{CORE}/test_run_edges.py",
        ),
        "core/changes/approvals.py": (f"{CORE}/test_resolve.py",),
    },
    (
        f"{CORE}/test_change_table.py",
        f"{CORE}/test_claim_edges.py",
        f"{CORE}/test_lookup_edges.py",
        f"{CORE}/test_pure_decisions.py",
    ),
)
CLAIMS: Final = Area(
    {
        "core/authorization/authorization.py": (f"{CORE}/test_run_edges.py", "tests/adversary/test_no_vote_no_send.py"),
        "core/execution/claims.py": (f"{CORE}/test_claims.py", f"{CORE}/test_poison.py"),
        "core/changes/serialization.py": (f"{CORE}/test_foreign_rows.py", f"{CORE}/test_claims.py"),
        "core/monitoring/drift.py": (f"{CORE}/test_drift.py", f"{CORE}/test_pure_decisions.py"),
        "core/changes/create_spec.py": (f"{CORE}/test_order.py",),
        "core/continuity/continuity_monitor.py": (f"{CORE}/test_continuity.py",),
    },
    (f"{CORE}/test_claim_edges.py", f"{CORE}/test_gate_edges.py", f"{CORE}/test_keeper.py"),
)
TENANTS: Final = Area(
    {
        "bot/workspaces/approval_sources.py": (
            f"{BOT}/test_tenancy.py",
            f"{BOT}/test_identity.py",
            f"{BOT}/test_slack_doctor.py",
        ),
        "bot/workspaces/tenancy.py": (
            f"{BOT}/test_tenancy.py",
            f"{BOT}/test_identity.py",
            "tests/adversary/test_foreign_people.py",
        ),
        "core/workspaces/model.py": (f"{CORE}/test_workspaces.py",),
        "core/workspaces/loader.py": (f"{CORE}/test_workspaces.py",),
    },
    (f"{CORE}/test_workspaces.py", f"{BOT}/test_rights.py", f"{BOT}/test_newsroom.py"),
)
POLICY: Final = Area(
    {
        f"core/policy/{name}.py": ()
        for name in (
            "declaration",
            "default",
            "document",
            "facts",
            "fit",
            "history",
            "hours",
            "lines",
            "load",
            "match",
            "model",
            "register",
            "written",
        )
    },
    ("tests/unit/policy", f"{CORE}/test_policy_register.py"),
)
LIMITS: Final = Area(
    {
        "core/limits/rate_limiter.py": (),
        "core/limits/guard.py": (),
        "core/limits/quotas.py": (f"{CORE}/test_ledger.py",),
        "core/limits/loader.py": (),
        "core/limits/account.py": (f"{CORE}/test_limits.py",),
        "core/limits/model.py": (),
        "core/limits/access.py": (),
        "core/limits/tool_names.py": (),
        "core/limits/config_schema.py": (),
    },
    ("tests/unit/limits", f"{CORE}/test_limits.py", f"{CORE}/test_gate_edges.py", f"{MCP}/test_limits.py"),
)
AUDIT: Final = Area(
    {
        "core/audit/chain.py": (),
        "core/audit/pages.py": ("tests/unit/storage/test_listing.py",),
        "core/audit/export.py": (),
    },
    ("tests/unit/audit", f"{CORE}/test_own_records.py", f"{CORE}/test_workspaces.py"),
)
CLIENT: Final = Area(
    {
        f"core/wayscloud/{name}.py": ()
        for name in (
            "body",
            "caller",
            "client",
            "credentials",
            "departure",
            "forms",
            "hostnames",
            "parse",
            "readers",
            "redirects",
            "regions",
            "said",
            "states",
            "transport",
            "validate",
            "verdict",
        )
    }
    | {
        "core/wayscloud/answers/pages.py": ("tests/provider/test_lists.py",),
        "core/common/redaction.py": ("tests/unit/core/test_redaction.py", "tests/unit/wayscloud/test_words.py"),
        "core/common/text.py": ("tests/unit/bot/test_text.py", "tests/unit/core/test_record_edges.py"),
    },
    (
        "tests/unit/wayscloud/test_transport_edges.py",
        "tests/unit/wayscloud",
        "tests/contract/test_client_simulator.py",
    ),
)
INGRESS: Final = Area(
    {
        "bot/ingress/request_verification.py": (f"{BOT}/test_guard.py",),
        "bot/ingress/worker.py": (f"{BOT}/test_intake.py",),
        "bot/workspaces/membership.py": (f"{BOT}/test_identity.py", f"{BOT}/test_tenancy.py"),
        "bot/context/bot_context.py": (f"{BOT}/test_identity.py",),
        "bot/features/votes.py": (f"{BOT}/test_identity.py",),
        "bot/protocol/text_normalization.py": (f"{BOT}/test_commands.py", f"{BOT}/test_mentions.py"),
        "bot/slack_api/block_limits.py": (f"{BOT}/test_limits.py",),
        "core/messaging/inbox.py": (f"{BOT}/test_intake.py", "tests/unit/storage/test_inbox.py"),
    },
    (f"{BOT}/test_ingress_edges.py",),
)
AUTH: Final = Area(
    {
        "mcp_server/auth/static_tokens.py": ("tests/adversary/test_tokens_file.py",),
        **{f"mcp_server/{name}.py": () for name in ("auth", "identity", "keys", "oauth", "stepup")},
    },
    (f"{MCP}/test_auth_edges.py", f"{MCP}/test_door_edges.py", f"{MCP}/test_auth.py", f"{MCP}/test_auth_oauth.py"),
)
AREAS: Final[Mapping[str, Area]] = {
    "gate": GATE,
    "changes": CHANGES,
    "claims": CLAIMS,
    "tenants": TENANTS,
    "policy": POLICY,
    "limits": LIMITS,
    "audit": AUDIT,
    "client": CLIENT,
    "ingress": INGRESS,
    "auth": AUTH,
}


def missing(root: Path = ROOT) -> list[str]:
    """Return the modules and tests named here that are not there."""
    named = [path for area in AREAS.values() for module in area.modules for path in (module, *area.tests_of(module))]
    return sorted({path for path in named if not (root / path).exists()})
