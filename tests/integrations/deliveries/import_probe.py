"""A process of its own that imports a file and prints how fast it was and how much memory it took."""

from __future__ import annotations

import io
import json
import re
import sys
import time
from pathlib import Path

import django

began = time.perf_counter()
django.setup()

from django.core.management import call_command  # noqa: E402

call_command("import_focus", sys.argv[1], cost_center="Large", yes=True, stdout=io.StringIO())
seconds = time.perf_counter() - began
# Not getrusage: its peak begins with that of the process which started this one.
peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024
json.dump({"seconds": seconds, "cpu": time.process_time(), "peak_mb": peak}, sys.stdout)
