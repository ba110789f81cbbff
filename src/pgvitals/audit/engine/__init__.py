"""Rules about an application's SQLAlchemy engine: its pool, its time limits, what its connections remember."""

from pgvitals.audit.engine.ask import Application, ask_engine
from pgvitals.audit.engine.rule import EngineRule, load_engine_rules
from pgvitals.audit.engine.target import Target, load_target

__all__ = ["Application", "EngineRule", "Target", "ask_engine", "load_engine_rules", "load_target"]
