"""The provider's own totals of a billing cycle beside ours: compared, judged, and told in a sentence."""

from __future__ import annotations

from integrations.reconciliation.verdict import Summary, summary

__all__ = ["Summary", "summary"]
