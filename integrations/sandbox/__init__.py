"""A stand-in for Cursor's Admin API over real HTTP: for the demo, the tests and people without a key."""

from __future__ import annotations

from .company import Company
from .faults import FAULTS, FaultPlan
from .server import DEFAULT_KEY, RecordedRequest, SandboxServer

__all__ = ["DEFAULT_KEY", "FAULTS", "Company", "FaultPlan", "RecordedRequest", "SandboxServer"]
