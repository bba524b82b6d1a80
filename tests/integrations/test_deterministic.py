"""Engine and providers take clock, sleeper, random source and transport from outside: nothing else may creep in."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "integrations"
MODULES = [
    *(ROOT / f"{name}.py" for name in ("engine", "claims", "windows", "seats", "totals")),
    *sorted((ROOT / "providers").rglob("*.py")),
]
FORBIDDEN_MODULES = {"time", "random", "secrets", "asyncio", "threading"}
FORBIDDEN_CALLS = {"now", "utcnow", "today", "sleep", "Client", "uuid1"}


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_clock_sleeper_random_source_or_client_of_its_own(module):
    tree = ast.parse(module.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            assert not FORBIDDEN_MODULES & {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            assert node.module.split(".")[0] not in FORBIDDEN_MODULES
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            injected = isinstance(node.func.value, ast.Attribute) and node.func.value.attr == "runtime"
            assert node.func.attr not in FORBIDDEN_CALLS or injected, ast.unparse(node)


@pytest.mark.parametrize(
    "module", sorted((ROOT / "providers").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_providers_never_touch_the_database(module):
    source = module.read_text()
    assert ".objects" not in source
    assert "django.db" not in source
