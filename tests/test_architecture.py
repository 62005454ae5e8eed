"""The house: imports run one way. Its floors are those that CONTRIBUTING.md names."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "dreamprm_code"
FLOORS = (
    {"records", "record_base", "errors", "files", "jsonl", "manifest", "settings", "templates", "hub", "languages"}
    | {"progress", "devices"},
    {"problems", "steps", "grading", "labels", "policies", "prompts", "prm"},
    {"bilevel", "sampling", "selection", "interchange"},
    {"report", "search", "rl", "study"},
)
"""From the ground up: a room imports from its own floor and from those below."""


@pytest.fixture(scope="module")
def imports(root: Path) -> dict[str, set[str]]:
    """Module -> modules of the package that it imports, anywhere in it but for type checkers alone."""
    files = {_name(path, root): path for path in (root / "src" / PACKAGE).rglob("*.py")}
    return {
        name: {found for found in _imported(ast.parse(path.read_text()), files) if found != name}
        for name, path in files.items()
    }


def _name(path: Path, root: Path) -> str:
    parts = path.relative_to(root / "src").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(tree: ast.AST, known: dict[str, Path]) -> set[str]:
    found: set[str] = set()
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {name for alias in node.names if (name := f"{node.module}.{alias.name}") in known} or {
                node.module
            } & known.keys()
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & known.keys()
        found |= _imported(node, known)
    return found


def test_no_module_imports_itself_through_others(imports: dict[str, set[str]]) -> None:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"import circle: {' -> '.join(error.args[1])}")


def test_rooms_import_downwards(imports: dict[str, set[str]]) -> None:
    floor_of = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
    room = {name: name.split(".")[1] if "." in name else PACKAGE for name in imports}
    unknown = {of for of in room.values() if of != PACKAGE} - floor_of.keys()
    assert not unknown, f"say on which floor {sorted(unknown)} is"
    upwards = [
        f"{name} -> {other}"
        for name, others in imports.items()
        for other in others
        if PACKAGE not in (room[name], room[other]) and floor_of[room[name]] < floor_of[room[other]]
    ]
    assert not upwards


def test_no_file_has_grown_too_long_to_read(root: Path) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in (root / "src").rglob("*.py")}
    assert {str(path.relative_to(root)): length for path, length in lengths.items() if length > 350} == {}


def test_what_tests_share_stands_in_builders_or_beside_them_and_never_in_a_test_module(root: Path) -> None:
    files = {path.stem: path for path in (root / "tests").rglob("*.py")}
    borrowed = {
        f"{path.name} imports {node.module}"
        for path in files.values()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("test_") and node.module in files
    }
    assert not borrowed
