"""The arrows of the architecture point one way, and nowhere else."""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "wa_app"

# layer → what of wa_app it may import. The table of docs/architecture.md.
MAY_IMPORT = {
    "domain": {"domain"},
    "disk": set(),
    "memory": set(),
    "sealing": set(),
    "gateways": {"domain", "gateways", "sealing", "disk"},
    "wording": {"domain", "models", "extensions", "wording"},
    "services": {
        "domain",
        "services",
        "models",
        "wording",
        "extensions",
        "config",
        "gateways.base",
        "sealing",
        "disk",
        "memory",
        "",
    },
    "web": {"domain", "services", "models", "wording", "extensions", "config", "web", ""},
    "models": {"domain", "extensions", "models"},
    "extensions": set(),
    "config": {"domain"},
    "logs": set(),
    "cli": {"domain", "services", "models", "wording", "extensions", "config", "cli"},
}

SERVICES = (
    "doctor",
    "runtime",
    "operations",
    "users",
    "sessions",
    "bot",
    "messages",
    "connections",
    "notifications",
    "audit",
    "data_folder",
    "ownership",
    "waiting",
)
"""From top to bottom: each may only import what stands below it. A file of `services/` that is in
none of these folders yet is not judged."""

UP: set[tuple[str, str]] = set()
"""Arrows that still point the wrong way. This table only ever gets shorter."""

CIRCLES: set[frozenset[str]] = set()
"""What still goes in circles. This table only ever gets shorter."""


# ---- who imports whom


def module_of(path: Path) -> str:
    """The file as others name it, without `wa_app`: `services.alerts`; a folder's `__init__.py` is
    a file of it like the others."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


FILES = {module_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports(path: Path) -> set[str]:
    """Every name that a file imports, wherever in it, and be it only for its types."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, f"{path} imports from a dot"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def file_of(name: str) -> str:
    """The file where the name of an import lies."""
    ours = name.removeprefix("wa_app").removeprefix(".")
    while ours and ours not in FILES and f"{ours}.__init__" not in FILES:
        ours = ours.rpartition(".")[0]
    return ours if ours in FILES else f"{ours}.__init__".removeprefix(".")


ARROWS = {
    name: {file_of(one) for one in imports(path) if one.split(".")[0] == "wa_app"} - {name}
    for name, path in FILES.items()
}


def arrows() -> Iterator[tuple[str, str]]:
    for name, targets in ARROWS.items():
        for target in targets:
            yield name, target


# ---- which way


def layer(name: str) -> str:
    return name.split(".")[0]


def test_every_file_belongs_to_a_layer() -> None:
    assert {layer(name) for name in FILES} <= {*MAY_IMPORT, "__init__"}


def is_allowed(target: str, rules: set[str]) -> bool:
    own = target.removesuffix("__init__").removesuffix(".")
    return any(own == rule or (rule and own.startswith(rule + ".")) for rule in rules)


def test_every_arrow_points_down() -> None:
    up = {
        (name, target)
        for name, target in arrows()
        if name != "__init__" and not is_allowed(target, MAY_IMPORT[layer(name)])
    }
    assert up - UP == set(), "these point up"
    assert UP - up == set(), "these are mended: strike them from the table"


def test_the_folders_of_services_are_in_order() -> None:
    """Of two of them only the upper one may know the lower one."""

    def height(name: str) -> int | None:
        where, _, below = name.partition(".")
        folder = below.split(".")[0]
        return SERVICES.index(folder) if where == "services" and folder in SERVICES else None

    for name, target in arrows():
        above, below = height(name), height(target)
        if above is not None and below is not None:
            assert above <= below, f"{name} imports {target}"


def test_pages_and_api_do_not_know_each_other() -> None:
    """What both need lies beside them."""
    web = {name for name in FILES if layer(name) == "web" and name != "web.__init__"}
    api = {name for name in web if name.startswith("web.api.")}
    pages = {name for name in web - api if "Blueprint(" in FILES[name].read_text()}
    for name, target in arrows():
        if name in web:
            assert target not in (pages if name in api else api), f"{name} imports {target}"


# ---- round


def circles() -> set[frozenset[str]]:
    """Files and folders that know each other, be it through others. In each folder the files and
    the folders beside one another are looked at; a folder knows what any file in it knows. So no
    circle is missed: in the lowest folder that holds all of one, its parts stand side by side."""
    folders = {name.rpartition(".")[0] for name in FILES}
    folders |= {part for folder in folders for part in parents(folder)}
    return {circle for folder in folders for circle in circles_in(beside_one_another(folder))}


def parents(folder: str) -> Iterator[str]:
    while folder:
        folder = folder.rpartition(".")[0]
        yield folder


def beside_one_another(folder: str) -> dict[str, set[str]]:
    """What stands directly in a folder → what it knows there."""
    inside = f"{folder}." if folder else ""

    def part(name: str) -> str:
        return inside + name.removeprefix(inside).split(".")[0]

    known: dict[str, set[str]] = {}
    for name, target in arrows():
        if name.startswith(inside) and target.startswith(inside) and part(name) != part(target):
            known.setdefault(part(name), set()).add(part(target))
    return known


def circles_in(known: Mapping[str, Iterable[str]]) -> Iterator[frozenset[str]]:
    """Each is all that can be reached from any of them and leads back."""
    reached = {name: reachable(name, known) for name in known}
    for name, others in reached.items():
        if name in others:
            yield frozenset(other for other in others if name in reached.get(other, ()))


def reachable(name: str, known: Mapping[str, Iterable[str]]) -> set[str]:
    found: set[str] = set()
    left = {name}
    while left:
        left = {target for one in left for target in known.get(one, ())} - found
        found |= left
    return found


def test_nothing_goes_in_circles() -> None:
    assert circles() - CIRCLES == set(), "these know each other"
    assert CIRCLES - circles() == set(), "these are mended: strike them from the table"


# ---- what some may not touch


def test_the_domain_uses_only_the_standard_library() -> None:
    for path in (PACKAGE / "domain").rglob("*.py"):
        outside = {name.split(".")[0] for name in imports(path)} - {"wa_app"}
        assert outside <= sys.stdlib_module_names, path


def test_the_domain_reads_no_clock_rolls_no_dice_and_starts_nothing() -> None:
    forbidden = {"random", "secrets", "time", "threading", "socket", "os", "pathlib", "sqlite3"}
    for path in (PACKAGE / "domain").rglob("*.py"):
        assert not {name.split(".")[0] for name in imports(path)} & forbidden, path
        assert "now()" not in path.read_text(), path


def test_only_one_file_imports_neonize() -> None:
    """It loads the native library, which is for session processes alone."""
    users = [
        name
        for name, path in FILES.items()
        if any(one.split(".")[0] == "neonize" for one in imports(path))
    ]
    assert len(users) == 1, users
    assert users[0].startswith("gateways.whatsapp."), users


def test_nothing_in_the_product_knows_of_the_test_server() -> None:
    for path in [*FILES.values(), ROOT / "app.py", ROOT / "gunicorn.conf.py"]:
        text = path.read_text()
        assert "whatsapp_server" not in text, path
        assert "VIGIA_TEST" not in text, path
