"""Imports go one way, and nothing grows past what can be read in one sitting."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import unstride

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "unstride"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted(
    [*MODULES, *(path for name in ("tests", "tools", "benchmarks") for path in (ROOT / name).rglob("*.py"))]
)

BELOW: dict[str, set[str]] = {
    "errors": set(),
    "geometry": {"errors"},
    "whole": {"errors"},
    "dialects": {"errors", "geometry"},
    "engine": {"errors", "geometry"},
    "pictures": {"errors", "geometry", "whole"},
    "live": {"errors", "geometry", "dialects"},
    "answers": {"errors", "geometry", "dialects", "live"},
    "porting": {
        *("errors", "geometry", "dialects", "live", "computation", "network", "models"),
        *("files", "whole", "console", "asking"),
    },
    "network": {"errors", "geometry", "dialects", "engine", "computation"},
    "models": {"errors", "geometry", "dialects", "engine", "network", "live", "files"},
    "computation": {"errors", "geometry", "dialects", "engine", "live"},
    "files": {"errors", "engine", "whole"},
    "compat": {"errors", "geometry", "dialects", "engine", "computation"},
    "testing": {"errors", "geometry", "dialects", "live", "engine", "computation", "porting", "network"},
    "illustration": {
        *("errors", "geometry", "dialects", "live", "pictures", "answers", "checkerboards"),
        *("computation", "files", "console", "asking"),
    },
    "demo": {"errors", "geometry", "dialects", "computation", "porting"},
    "doctor": {"errors", "dialects", "engine"},
    "console": {"errors"},
    "asking": {"errors", "dialects"},
    "bench": {"errors", "geometry", "engine", "console", "whole"},
    "checkerboards": {
        *("errors", "geometry", "dialects", "live", "engine", "answers"),
        *("computation", "files", "console", "asking"),
    },
    "explorer": {"errors", "geometry", "dialects", "live", "answers", "console", "whole"},
    "auditing": {
        *(
            "errors",
            "geometry",
            "dialects",
            "answers",
            "checkerboards",
            "network",
            "models",
            "console",
            "whole",
            "porting",
        ),
    },
    "scale": {
        *("errors", "geometry", "dialects", "engine", "live", "computation", "network", "models"),
        *("files", "whole", "console", "asking"),
    },
    "frameworks": {"errors", "geometry", "dialects", "engine"},
    "conformance": {
        *("errors", "geometry", "dialects", "engine", "computation"),
        *("porting", "testing", "files", "console", "whole"),
    },
    "cli": {
        *("errors", "geometry", "dialects", "answers"),
        *("computation", "files", "demo", "doctor", "console", "asking"),
    },
}
"""what each part may import from this package"""

STANDARD_ONLY = ("errors", "whole", "geometry", "dialects", "live", "pictures", "answers", "porting")
"""parts that import nothing beyond the standard library at module level"""

COMPARING = {
    f"porting/{name}.py"
    for name in (
        *("channels", "comparing", "diagnosis", "maps", "model_command", "port_command"),
        *("probes", "stationary", "subjects", "verify", "verify_command", "wording"),
    )
}
"""modules of these parts that compute on arrays all the same: what ``verify`` alone imports; and its command"""

MODULE_LINES, BODY_LINES = 400, 40


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path, *, top_level: bool) -> Iterator[tuple[str, int]]:
    """Absolute names of the modules imported, each with its line; relative ones resolved."""
    tree = ast.parse(path.read_text())
    here = ("unstride", *path.relative_to(PACKAGE).with_suffix("").parts)
    nodes = list(run_at_import(tree.body)) if top_level else list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(here[: len(here) - node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            yield module, node.lineno
            if node.module is None or module == "unstride":
                yield from ((f"{module}.{alias.name}", node.lineno) for alias in node.names)


def run_at_import(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_one_way(path: Path) -> None:
    if part(path) in ("__init__", "__main__"):
        return
    allowed = BELOW[part(path)] | {part(path)}
    for name, line in imported(path, top_level=False):
        if name.startswith("unstride."):
            public = name.split(".")[1]
            home = unstride._HOMES.get(public, public).split(".")[0]
            assert home in allowed | {"__version__"}, f"{path}:{line} imports {name}"


@pytest.mark.parametrize(
    "path",
    [each for each in MODULES if part(each) in STANDARD_ONLY and str(each.relative_to(PACKAGE)) not in COMPARING],
    ids=str,
)
def test_the_lower_half_needs_the_standard_library_only(path: Path) -> None:
    import sys

    for name, line in imported(path, top_level=True):
        root = name.split(".")[0]
        assert root in sys.stdlib_module_names or root == "unstride", f"{path}:{line} imports {name}"


def test_every_part_has_its_place() -> None:
    assert {part(path) for path in MODULES} - {"__init__", "__main__"} == set(BELOW)


def test_the_parts_have_no_cycle() -> None:
    settled: set[str] = set()
    while settled != set(BELOW):
        ready = {name for name, below in BELOW.items() if name not in settled and below <= settled}
        assert ready, f"a cycle among {set(BELOW) - settled}"
        settled |= ready


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_sizes_stay_readable(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= MODULE_LINES, f"{path} has {text.count(chr(10))} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            length = (node.end_lineno or first.lineno) - first.lineno + 1
            assert length <= BODY_LINES, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_packages_and_verbs_share_no_name() -> None:
    packages = {path.name for path in PACKAGE.iterdir() if path.is_dir()}
    assert packages.isdisjoint(unstride.__all__)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_pasted_or_loaded_is_run(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("eval", "exec", "compile", "__import__"), f"{path}:{node.lineno}"
    assert "pickle" not in {name for name, _ in imported(path, top_level=False)}
