"""Lock-in: one rule file, and what is made of it: findings, the score, admission policies, a page."""

from __future__ import annotations

from commonweal_api.lockin.exemptions import ANNOTATION, Exemption
from commonweal_api.lockin.findings import Finding, items_of, lint
from commonweal_api.lockin.rules import Rule, rules
from commonweal_api.lockin.score import Score, score

__all__ = ["ANNOTATION", "Exemption", "Finding", "Rule", "Score", "items_of", "lint", "rules", "score"]
