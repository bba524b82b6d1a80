"""A process of its own that syncs the usage stream once and prints how fast it was and how much memory it took."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import django

django.setup()

from integrations import engine  # noqa: E402
from integrations.http import Runtime  # noqa: E402
from integrations.models import Stream  # noqa: E402

stream = Stream.objects.get(name="usage")
began = time.perf_counter()
result = engine.sync_stream(stream.pk, runtime=Runtime(), thorough=True)
seconds = time.perf_counter() - began
# Not getrusage: its peak begins with that of the process which started this one.
peak = int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1]) // 1024
complete = result is not None and result.complete
json.dump(
    {"seconds": seconds, "peak_mb": peak, "events": result.events if result else 0, "complete": complete},
    sys.stdout,
)
