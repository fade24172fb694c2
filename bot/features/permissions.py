"""Words for what a user may do here by the policy."""

from typing import Final

from vpsops.bot.blocks.approver_text import UNLABELLED, ApproverLabels, approver_words
from vpsops.bot.blocks.text import escape_untrusted
from vpsops.core.identity.actors import Approvers
from vpsops.core.operations import Operation
from vpsops.core.policy.decision import Decision, Ruling
from vpsops.core.policy.rights import Right

NAMED: Final = 6
SHORT: Final = {
    Decision.ALLOW: "at once",
    Decision.CONFIRM: "you confirm",
    Decision.APPROVE: "needs approval",
    Decision.DENY: "refused",
}


def right_words(right: Right, labels: ApproverLabels = UNLABELLED) -> str:
    """Say what one may do, as escaped mrkdwn."""
    ruling = right.ruling
    stricter = ", ".join(
        f"{SHORT[decision]} ({escape_untrusted(rule, 60)})" for rule, decision in right.depends.items()
    )
    if not ruling.rules and right.depends:
        return f"only for some: {stricter}"
    rules = f" ({escape_untrusted(', '.join(ruling.rules), 160)})" if ruling.rules else ""
    return f"{_decision_text(right.operation, ruling, labels)}{rules}" + (f"; for some: {stricter}" if stricter else "")


def _decision_text(operation: Operation, ruling: Ruling, labels: ApproverLabels) -> str:
    match ruling.decision:
        case Decision.ALLOW:
            return "you may" if operation.reads else "runs at once"
        case Decision.CONFIRM:
            return "you confirm"
        case Decision.APPROVE:
            plural = "s" if ruling.votes != 1 else ""
            return f"needs {ruling.votes} approval{plural} by {approvers_words(ruling.approvers, labels)}"
        case Decision.DENY:
            return f"refused: {escape_untrusted(ruling.reason or 'no rule allows it', 160)}"


def approvers_words(approvers: Approvers, labels: ApproverLabels) -> str:
    """Name the approvers as escaped mrkdwn without notifying them."""
    every = approver_words(approvers, labels)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more or "nobody"
