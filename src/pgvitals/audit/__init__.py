"""The audit: rules about keys, indexes and what else a schema promises, each with its evidence."""

from pgvitals.audit.declared import Looked
from pgvitals.audit.rule import Rule, load_rules, select_rules
from pgvitals.audit.run import audit

__all__ = ["Looked", "Rule", "audit", "load_rules", "select_rules"]
