"""What may run, and who must agree first."""

from core.policy.facts import Facts
from core.policy.load import load_policy, parse_policy
from core.policy.model import Policy, Rule

__all__ = ["Facts", "Policy", "Rule", "load_policy", "parse_policy"]
