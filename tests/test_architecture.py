"""The arrows of the architecture point one way, and nowhere else."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "wa_app"

# layer → what of wa_app it may import. The table of docs/architecture.md.
MAY_IMPORT = {
    "domain": {"domain"},
    "sealing": set(),
    "gateways": {"domain", "gateways", "sealing"},
    "services": {
        "domain",
        "services",
        "models",
        "extensions",
        "config",
        "gateways.base",
        "sealing",
        "",
    },
    "web": {"domain", "services", "models", "extensions", "config", "web", ""},
    "models": {"domain", "extensions"},
    "extensions": set(),
    "config": {"domain"},
    "logs": set(),
    "cli": {"domain", "services", "models", "extensions", "config", "web", "cli"},
}
FILES = sorted(PACKAGE.rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def layer(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def allowed(part: str, rules: set[str]) -> bool:
    return any(part == rule or (rule and part.startswith(rule + ".")) for rule in rules)


def test_every_file_belongs_to_a_layer() -> None:
    assert {layer(path) for path in FILES} == {*MAY_IMPORT, "__init__"}


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_every_arrow_points_down(part: str) -> None:
    for path in FILES:
        if layer(path) == part:
            assert not arrows_up(path, MAY_IMPORT[part]), path


def arrows_up(path: Path, rules: set[str]) -> set[str]:
    """The modules of ours that a file imports and its layer may not."""
    ours = {name.removeprefix("wa_app").removeprefix(".") for name in imports(path)
            if name.split(".")[0] == "wa_app"}  # fmt: skip
    return {name for name in ours if name and is_module(name) and not allowed(name, rules)}


def is_module(name: str) -> bool:
    place = PACKAGE.joinpath(*name.split("."))
    return place.is_dir() or place.with_suffix(".py").is_file()


def test_pages_and_api_do_not_know_each_other() -> None:
    """What both need lies beside them."""
    web = [path for path in FILES if layer(path) == "web" and path != PACKAGE / "web/__init__.py"]
    api = [path for path in web if path.is_relative_to(PACKAGE / "web/api")]
    pages = [path for path in web if path not in api and "Blueprint(" in path.read_text()]
    for path in web:
        forbidden = pages if path in api else api
        assert not imports(path) & {module_of(other) for other in forbidden}, path


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_the_domain_uses_only_the_standard_library() -> None:
    for path in (PACKAGE / "domain").glob("*.py"):
        outside = {name.split(".")[0] for name in imports(path)} - {"wa_app"}
        assert outside <= sys.stdlib_module_names, path


def test_the_domain_reads_no_clock_rolls_no_dice_and_starts_nothing() -> None:
    for path in (PACKAGE / "domain").glob("*.py"):
        forbidden = {"random", "secrets", "time", "threading", "socket", "os", "pathlib", "sqlite3"}
        assert not {name.split(".")[0] for name in imports(path)} & forbidden, path
        assert "now()" not in path.read_text(), path


def test_only_the_session_process_imports_neonize() -> None:
    users = {path for path in FILES if any(n.split(".")[0] == "neonize" for n in imports(path))}
    assert {layer(path) for path in users} == {"gateways"}
    assert all(path.parent.name == "whatsapp" for path in users)


def test_nothing_in_the_product_knows_of_the_test_server() -> None:
    for path in [*FILES, ROOT / "app.py", ROOT / "gunicorn.conf.py"]:
        text = path.read_text()
        assert "whatsapp_server" not in text, path
        assert "VIGIA_TEST" not in text, path
