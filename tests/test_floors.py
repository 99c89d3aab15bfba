"""The floors of the house that no linter contract can say: the engine imports torch and the standard library alone."""

import ast
import sys
from pathlib import Path

import pytest

import scidiff

ROOM = Path(scidiff.__file__).parent
ALLOWED = {
    "engine": {"torch", "scidiff.engine"},
    "store": {"torch", "numpy", "safetensors", "scidiff.store"},
}


def imported(path: Path) -> set[str]:
    """Every module a file names in an import, at whatever depth."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "." for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("room", ALLOWED)
def test_a_floor_stands_on_nothing_above_it(room):
    for path in (ROOM / room).rglob("*.py"):
        for name in imported(path):
            standard = name.partition(".")[0] in sys.stdlib_module_names
            known = any(f"{name}.".startswith(f"{base}.") for base in ALLOWED[room])
            assert standard or known, f"{path.name} imports {name}"
