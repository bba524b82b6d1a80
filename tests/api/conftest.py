"""What the tests of the bill have made already."""

from __future__ import annotations

from tests.costcenters.conftest import at_now, some_rows

__all__ = ["at_now", "some_rows"]
