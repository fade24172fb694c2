"""The policy: rules that allow, deny, or require people's consent."""

from vpsops.core.policy.context import PolicyContext
from vpsops.core.policy.loader import load_policy, parse_policy
from vpsops.core.policy.model import Policy, Rule

__all__ = ["Policy", "PolicyContext", "Rule", "load_policy", "parse_policy"]
