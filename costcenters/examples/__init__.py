"""Example bills of AWS, GCP and Azure for the demo, as FOCUS files: invented, but shaped like real exports."""

from __future__ import annotations

from costcenters.examples.bills import AWS, AZURE, BILLS, GCP, Bill
from costcenters.examples.files import write

__all__ = ["AWS", "AZURE", "BILLS", "GCP", "Bill", "write"]
