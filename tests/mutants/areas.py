"""The decision modules, and the tests that must notice a fault in each, the quickest first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.docs.generate import ROOT


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
        "core/service/gate.py": (
            "tests/unit/core/service/test_gate_edges.py",
            "tests/unit/core/service/test_gate.py",
            "tests/unit/core/limits/test_limits.py",
        ),
        "core/service/submissions.py": (
            "tests/unit/core/service/test_gate_edges.py",
            "tests/unit/core/service/test_gate.py",
            "tests/unit/core/limits/test_limits.py",
        ),
        "core/service/change_store.py": (
            "tests/unit/core/service/test_gate_edges.py",
            "tests/unit/core/service/test_gate.py",
            "tests/unit/core/limits/test_limits.py",
        ),
        "core/service/region_directory.py": ("tests/unit/core/service/test_region_directory.py",),
        "core/service/server_queries.py": (
            "tests/unit/core/service/test_gate.py",
            "tests/unit/core/limits/test_limits.py",
        ),
        "core/authorization/agent_pause.py": ("tests/unit/core/authorization/test_agent_pause.py",),
        "core/authorization/submission.py": (
            "tests/unit/core/service/test_gate_edges.py",
            "tests/unit/core/service/test_gate.py",
        ),
        "core/authorization/votes.py": (
            "tests/unit/core/service/test_gate_edges.py",
            "tests/unit/core/service/test_gate.py",
            "tests/unit/core/authorization/test_resolve.py",
        ),
        "core/plans/model.py": ("tests/unit/core/plans/test_plan_model.py",),
        "core/plans/progress.py": ("tests/unit/core/plans/test_plan_model.py",),
        "core/plans/names.py": ("tests/unit/core/plans/test_plan_names.py",),
        "core/plans/groups.py": ("tests/unit/core/plans/test_plan_model.py",),
        "core/plans/strictness.py": ("tests/unit/core/plans/test_plan_model.py",),
        "core/grants/model.py": (
            "tests/unit/core/grants/test_model.py",
            "tests/unit/core/grants/test_uses.py",
        ),
        "core/grants/lifecycle.py": (
            "tests/unit/core/grants/test_uses.py",
            "tests/unit/core/grants/test_ends.py",
        ),
        "core/grants/trail.py": (
            "tests/unit/core/grants/test_uses.py",
            "tests/adversary/database/test_grants_behind_the_trail.py",
        ),
        "core/authorization/withheld.py": ("tests/unit/core/authorization/test_withheld.py",),
        "core/changes/audit_entries.py": ("tests/unit/core/changes/test_record_edges.py",),
        "core/operations/server_lookup.py": ("tests/unit/core/operations/test_reference_edges.py",),
        "core/operations/servers.py": (
            "tests/unit/core/operations/test_reference_edges.py",
            "tests/unit/core/outcomes/test_lookup_edges.py",
        ),
    },
    (
        "tests/unit/core/service/test_gate_edges.py",
        "tests/unit/core/service/test_gate.py",
        "tests/unit/core/authorization/test_refusals.py",
        "tests/unit/core/authorization/test_resolve.py",
        "tests/unit/core/workspaces/test_model.py",
        "tests/unit/core/authorization/test_agent_pause.py",
        "tests/unit/core/execution/test_claim_edges.py",
    ),
)
CHANGES: Final = Area(
    {
        "core/execution/deferral.py": ("tests/provider/test_deferral.py", "tests/provider/test_hold_offs.py"),
        "core/authorization/hold_offs.py": ("tests/provider/test_hold_offs.py", "tests/provider/test_deferral.py"),
        "core/execution/runner.py": (
            "tests/unit/core/execution/runner/test_run_edges.py",
            "tests/unit/core/execution/runner/test_execute_once.py",
            "tests/unit/core/authorization/test_agent_pause.py",
            "tests/unit/core/execution/runner/test_poison.py",
            "tests/unit/core/execution/runner/test_execute_faults.py",
            "tests/unit/core/execution/runner/test_execute_storage.py",
            "tests/unit/core/execution/runner/test_execute_clock.py",
        ),
        "core/execution/send_deadline.py": (
            "tests/unit/core/execution/runner/test_run_edges.py",
            "tests/unit/core/execution/runner/test_execute_clock.py",
        ),
        "core/execution/reconciler.py": (
            "tests/unit/core/execution/test_reconciler.py",
            "tests/unit/core/execution/runner/test_run_edges.py",
            "tests/unit/core/continuity/test_continuity_monitor.py",
        ),
        "core/outcomes/outcome.py": ("tests/unit/core/outcomes/test_outcome.py",),
        "core/changes/model.py": ("tests/unit/core/service/test_gate_edges.py",),
        "core/execution/write_rate_limit.py": ("tests/unit/core/execution/test_write_rate_limit.py",),
        "core/changes/preview.py": (
            "tests/unit/core/operations/test_reference_edges.py",
            "tests/unit/core/execution/runner/test_run_edges.py",
            "tests/unit/core/service/test_gate.py",
        ),
        "core/authorization/recheck.py": (
            "tests/unit/core/authorization/test_policy_comparison.py",
            "tests/adversary/policy/test_stricter_rules.py",
        ),
        "core/break_glass/model.py": ("tests/unit/core/break_glass/test_reviews.py",),
        "core/break_glass/rights.py": ("tests/unit/core/break_glass/test_overrides.py",),
        "core/break_glass/overrides.py": ("tests/unit/core/break_glass/test_overrides.py",),
        "core/break_glass/repository.py": ("tests/unit/core/break_glass/test_reviews.py",),
        "core/authorization/policy_comparison.py": ("tests/unit/core/authorization/test_policy_comparison.py",),
        "core/changes/repository.py": (
            "tests/unit/core/service/test_gate_edges.py",
            "tests/unit/core/monitoring/test_drift.py",
            "tests/unit/core/execution/runner/test_run_edges.py",
        ),
        "core/changes/approvals.py": ("tests/unit/core/authorization/test_resolve.py",),
    },
    (
        "tests/unit/core/changes/test_change_table.py",
        "tests/unit/core/execution/test_claim_edges.py",
        "tests/unit/core/outcomes/test_lookup_edges.py",
        "tests/unit/core/test_pure_decisions.py",
    ),
)
CLAIMS: Final = Area(
    {
        "core/authorization/authorization.py": (
            "tests/unit/core/execution/runner/test_run_edges.py",
            "tests/adversary/database/test_no_vote_no_send.py",
        ),
        "core/execution/claims.py": (
            "tests/unit/core/execution/test_claims.py",
            "tests/unit/core/execution/runner/test_poison.py",
        ),
        "core/changes/serialization.py": (
            "tests/unit/core/storage/test_foreign_rows.py",
            "tests/unit/core/execution/test_claims.py",
        ),
        "core/monitoring/drift.py": (
            "tests/unit/core/monitoring/test_drift.py",
            "tests/unit/core/test_pure_decisions.py",
        ),
        "core/changes/create_spec.py": ("tests/unit/core/changes/test_create_spec.py",),
        "core/continuity/continuity_monitor.py": ("tests/unit/core/continuity/test_continuity_monitor.py",),
    },
    (
        "tests/unit/core/execution/test_claim_edges.py",
        "tests/unit/core/service/test_gate_edges.py",
        "tests/unit/core/execution/test_reconciler.py",
    ),
)
TENANTS: Final = Area(
    {
        "bot/workspaces/approval_sources.py": (
            "tests/unit/bot/workspaces/test_tenancy.py",
            "tests/unit/bot/workspaces/test_membership.py",
            "tests/unit/bot/diagnostics/test_slack_doctor.py",
        ),
        "bot/workspaces/tenancy.py": (
            "tests/unit/bot/workspaces/test_tenancy.py",
            "tests/unit/bot/workspaces/test_membership.py",
            "tests/adversary/people/test_foreign_people.py",
        ),
        "core/workspaces/model.py": ("tests/unit/core/workspaces/test_model.py",),
        "core/workspaces/loader.py": ("tests/unit/core/workspaces/test_model.py",),
    },
    (
        "tests/unit/core/workspaces/test_model.py",
        "tests/unit/bot/features/test_permissions.py",
        "tests/unit/bot/notifications/test_digests.py",
    ),
)
POLICY: Final = Area(
    {
        "core/policy_register/declaration.py": (),
        "core/policy/defaults.py": (),
        "core/policy_register/document.py": (),
        "core/policy/context.py": (),
        "core/policy/lint.py": (),
        "core/policy_register/history.py": (),
        "core/policy_register/revisions.py": (),
        "core/policy/hours.py": (),
        "core/policy/calendar.py": ("tests/unit/core/policy/calendar/test_windows_and_freezes.py",),
        "core/policy/calendar_loader.py": ("tests/unit/core/policy/calendar/test_windows_and_freezes.py",),
        "core/config/toml_locations.py": (),
        "core/config/config_file.py": ("tests/unit/core/config/test_config_file.py",),
        "core/config/schema.py": ("tests/unit/core/config/test_config_file.py",),
        "core/policy/loader.py": (),
        "core/policy/conditions.py": (),
        "core/policy/model.py": (),
        "core/policy_register/register.py": (),
        "core/policy/config_schema.py": (),
    },
    (
        "tests/unit/core/policy",
        "tests/unit/core/policy_register",
        "tests/unit/core/policy_register/test_policy_register.py",
    ),
)
LIMITS: Final = Area(
    {
        "core/limits/rate_limiter.py": (),
        "core/common/rate_limiter.py": ("tests/unit/core/common/test_rate_limiter.py",),
        "core/limits/guard.py": (),
        "core/limits/quotas.py": ("tests/unit/core/limits/test_quotas.py",),
        "core/limits/loader.py": (),
        "core/limits/account.py": ("tests/unit/core/limits/test_limits.py",),
        "core/limits/model.py": (),
        "core/limits/access.py": (),
        "core/limits/tool_names.py": (),
        "core/limits/config_schema.py": (),
    },
    (
        "tests/unit/core/limits",
        "tests/unit/core/limits/test_limits.py",
        "tests/unit/core/service/test_gate_edges.py",
        "tests/unit/mcp_server/tools/test_limits.py",
    ),
)
AUDIT: Final = Area(
    {
        "core/audit/chain.py": (),
        "core/audit/pages.py": ("tests/unit/core/changes/test_queries.py",),
        "core/audit/export.py": (),
    },
    (
        "tests/unit/core/audit",
        "tests/unit/cli",
        "tests/unit/core/audit/test_own_records.py",
        "tests/unit/core/workspaces/test_model.py",
    ),
)
CLIENT: Final = Area(
    {
        "core/wayscloud/requests/response_body.py": (),
        "core/wayscloud/requests/connection.py": ("tests/unit/core/wayscloud/requests/test_read_patience.py",),
        "core/wayscloud/requests/request_executor.py": (),
        "core/wayscloud/client.py": (),
        "core/wayscloud/requests/credentials.py": (),
        "core/wayscloud/requests/send_hook.py": (),
        "core/wayscloud/requests/url_forms.py": (),
        "core/wayscloud/answers/hostnames.py": (),
        "core/wayscloud/answers/labels.py": ("tests/unit/core/wayscloud/answers/test_label_reads.py",),
        "core/wayscloud/answers/parse.py": (),
        "core/wayscloud/answers/field_readers.py": (),
        "core/wayscloud/requests/redirects.py": (),
        "core/wayscloud/answers/regions.py": (),
        "core/wayscloud/answers/region_names.py": (
            "tests/unit/core/wayscloud/answers/test_region_names.py",
            "tests/unit/core/service/test_region_directory.py",
        ),
        "core/wayscloud/requests/error_bodies.py": (),
        "core/wayscloud/answers/states.py": (),
        "core/wayscloud/requests/transport.py": (),
        "core/wayscloud/answers/validate.py": (),
        "core/wayscloud/requests/answer_errors.py": (),
    }
    | {
        "core/wayscloud/answers/pages.py": ("tests/provider/test_lists.py",),
        "core/common/redaction.py": (
            "tests/unit/core/common/test_redaction.py",
            "tests/unit/core/wayscloud/requests/test_words.py",
        ),
        "core/common/text.py": ("tests/unit/bot/blocks/test_text.py", "tests/unit/core/changes/test_record_edges.py"),
    },
    (
        "tests/unit/core/wayscloud/requests/test_transport_edges.py",
        "tests/unit/core/wayscloud",
        "tests/contract/test_client_simulator.py",
    ),
)
INGRESS: Final = Area(
    {
        "bot/ingress/request_verification.py": ("tests/unit/bot/ingress/test_request_verification.py",),
        "bot/ingress/worker.py": ("tests/unit/bot/ingress/test_intake.py",),
        "bot/workspaces/membership.py": (
            "tests/unit/bot/workspaces/test_membership.py",
            "tests/unit/bot/workspaces/test_tenancy.py",
        ),
        "bot/context/bot_context.py": ("tests/unit/bot/workspaces/test_membership.py",),
        "bot/features/votes.py": ("tests/unit/bot/workspaces/test_membership.py",),
        "bot/protocol/text_normalization.py": (
            "tests/unit/bot/commands/test_parser.py",
            "tests/unit/bot/commands/test_server_mentions.py",
        ),
        "bot/slack_api/block_limits.py": ("tests/unit/bot/slack_api/test_block_limits.py",),
        "core/messaging/inbox.py": ("tests/unit/bot/ingress/test_intake.py", "tests/unit/core/messaging/test_inbox.py"),
    },
    ("tests/unit/bot/ingress/test_ingress_edges.py",),
)
AUTH: Final = Area(
    {
        "mcp_server/auth/static_tokens.py": ("tests/adversary/network/test_tokens_file.py",),
        "mcp_server/auth/middleware.py": (),
        "mcp_server/auth/principal.py": (),
        "mcp_server/auth/jwks.py": (),
        "mcp_server/auth/jwt_verifier.py": (),
        "mcp_server/auth/scope_challenge.py": (),
    },
    (
        "tests/unit/mcp_server/auth/test_auth_edges.py",
        "tests/unit/mcp_server/auth/test_issuer_keys.py",
        "tests/unit/mcp_server/auth/test_token_files.py",
        "tests/unit/mcp_server/auth/test_door_edges.py",
        "tests/unit/mcp_server/auth/test_middleware.py",
        "tests/unit/mcp_server/auth/test_auth_oauth.py",
    ),
)
BACKUP: Final = Area(
    {
        "core/backup/backup_file.py": ("tests/unit/core/backup/test_verified_file.py",),
        "core/backup/in_flight.py": ("tests/unit/core/backup/test_restoration.py",),
        "core/backup/output_file.py": ("tests/unit/core/backup/test_snapshot.py",),
        "core/backup/restoration.py": ("tests/unit/core/backup/test_restoration.py",),
        "core/backup/snapshot.py": ("tests/unit/core/backup/test_snapshot.py",),
        "core/backup/table_rows.py": ("tests/unit/core/backup/test_snapshot.py",),
    },
    (
        "tests/unit/core/backup/test_verified_file.py",
        "tests/unit/core/backup/test_snapshot.py",
        "tests/unit/core/backup/test_restoration.py",
        "tests/unit/core/backup/test_grants_end.py",
        "tests/unit/core/backup/test_interruption.py",
    ),
)
SHIPMENT: Final = Area(
    {
        "core/shipment/address.py": (),
        "core/shipment/batch.py": (),
        "core/shipment/json_file.py": (),
        "core/shipment/shipper.py": (),
        "core/shipment/syslog.py": (),
        "core/shipment/webhook.py": (),
    },
    ("tests/unit/core/shipment/test_shipper.py", "tests/unit/core/shipment/test_after_restore.py"),
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
    "backup": BACKUP,
    "shipment": SHIPMENT,
}


def missing(root: Path = ROOT) -> list[str]:
    """Return the modules and tests named here that are not there."""
    named = [path for area in AREAS.values() for module in area.modules for path in (module, *area.tests_of(module))]
    return sorted({path for path in named if not (root / path).exists()})
