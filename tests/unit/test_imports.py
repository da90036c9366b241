"""The imports that each folder may have, the modules that may use a library, and the largest size of a module."""

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

import sora_proxy

ROOT = Path(sora_proxy.__file__).parent
PATHS = {
    ".".join(("sora_proxy", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in ROOT.rglob("*.py")
}
FOLDERS = {path.parent.name for path in ROOT.glob("*/__init__.py")}
# The only modules of the root that may import folders, because they put the program together.
COMPOSERS = {"sora_proxy.app", "sora_proxy.backend_choice", "sora_proxy.__main__", "sora_proxy.healthcheck"}
# The folders that each folder may import besides itself, the root, `foreign` and `database`. `app` and `__main__` may
# import all.
MAY_IMPORT = {
    "foreign": set(),
    "database": set(),
    "settings": set(),
    "media": set(),
    "simulator": set(),
    "scheduling": {"settings"},
    "upstream": {"settings"},
    "webhooks": {"settings"},
    "operators": {"settings", "scheduling.rate_window"},
    "key_keeping": {"settings", "scheduling", "operators"},
    "backend_keeping": {"settings", "scheduling", "operators", "key_keeping", "upstream", "orders"},
    "orders": {"scheduling", "upstream", "media"},
    "api": FOLDERS - {"simulator"},
}
FAMILIES = ("chat", "images", "responses")
MAX_ROOT_MODULES, MAX_CHAIN, MAX_LINES, MAX_FUNCTION_LINES, MAX_PARAMETERS = 14, 16, 300, 50, 6


@functools.cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(PATHS[module].read_bytes())


@functools.cache
def imported_names(module: str) -> frozenset[str]:
    """All names that a module imports, including imports for types."""
    found = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {part.name for part in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{part.name}" for part in node.names}
    return frozenset(found)


@functools.cache
def imports_of(module: str) -> frozenset[str]:
    """The modules of the package that a module imports."""
    names = {name for name in imported_names(module) if name.split(".")[0] == "sora_proxy"}
    modules = {name if name in PATHS else name.rpartition(".")[0] for name in names}
    return frozenset(modules - {module})


def users_of(*libraries: str) -> set[str]:
    """The modules outside of the simulator that import one of these libraries, or a part of it."""
    return {
        module.removeprefix("sora_proxy.")
        for module in PATHS
        if not module.startswith("sora_proxy.simulator")
        and any(f"{name}.".startswith(f"{library}.") for name in imported_names(module) for library in libraries)
    }


def folder_of(module: str) -> str:
    """The folder of a module, or an empty text for a module of the root."""
    _, _, inside = module.partition(".")
    first = inside.partition(".")[0]
    return first if first in FOLDERS else ""


def may_import(module: str, other: str) -> bool:
    mine, theirs = folder_of(module), folder_of(other)
    if theirs in ("", mine) or module in COMPOSERS:
        return True
    if not mine:
        return False
    allowed = MAY_IMPORT[mine] | {"foreign", "database"}
    return theirs in allowed or other.removeprefix("sora_proxy.") in allowed


@functools.cache
def chain_below(module: str) -> tuple[str, ...]:
    """The longest chain of imports that ends with a module. There must be no cycle."""
    return (*max((chain_below(each) for each in imports_of(module)), key=len, default=()), module)


def test_each_folder_imports_only_what_the_table_allows() -> None:
    assert set(MAY_IMPORT) == FOLDERS
    forbidden = {(module, other) for module in PATHS for other in imports_of(module) if not may_import(module, other)}
    assert forbidden == set()


@pytest.mark.slow
def test_every_import_is_absolute() -> None:
    """The other tests of this module do not find relative imports."""
    for path in PATHS.values():
        for node in ast.walk(ast.parse(path.read_bytes())):
            assert not (isinstance(node, ast.ImportFrom) and node.level), path


@pytest.mark.slow
def test_tasks_are_started_only_in_modules_that_handle_their_failure() -> None:
    starters = {
        module.removeprefix("sora_proxy.")
        for module, path in PATHS.items()
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute) and node.attr in ("create_task", "ensure_future")
    }
    assert starters == {"background", "orders.sending", "simulator.comfyui.process", "webhooks.deliverer"}


def test_imports_have_no_cycles() -> None:
    below: dict[str, set[str]] = {}

    def visit(module: str, path: tuple[str, ...]) -> set[str]:
        assert module not in path, " -> ".join((*path, module))
        if module not in below:
            below[module] = set().union(*({each} | visit(each, (*path, module)) for each in imports_of(module)))
        return below[module]

    for module in PATHS:
        visit(module, ())


def test_no_chain_of_imports_is_longer_than_the_limit() -> None:
    longest = max(map(chain_below, PATHS), key=len)
    assert len(longest) <= MAX_CHAIN, "\n".join(longest)


def test_the_families_of_the_api_do_not_import_one_another() -> None:
    for family in FAMILIES:
        inside = f"sora_proxy.api.{family}"
        others = {f"sora_proxy.api.{other}" for other in FAMILIES if other != family}
        imported = {each for module in PATHS if module.startswith(inside) for each in imports_of(module)}
        assert {each for each in imported if any(each.startswith(other) for other in others)} == set()


def test_the_http_modules_of_the_api_do_not_import_orders_or_other_parts() -> None:
    rooms = [f"sora_proxy.{room}" for room in ("orders", "scheduling", "key_keeping", "upstream", "webhooks")]
    families = [f"sora_proxy.api.{family}" for family in FAMILIES]
    assert {user for user in users_of(*rooms, *families) if user.startswith("api.http")} == set()


def test_the_modules_of_shared_types_import_only_one_another() -> None:
    words = {f"sora_proxy.{name}" for name in ("errors", "event_log", "generation", "spec")}
    assert set().union(*map(imports_of, words)) <= words
    assert users_of("sora_proxy.app") <= {"__main__"}
    assert users_of("sora_proxy.__main__") <= {"__main__"}


@pytest.mark.parametrize(
    ("libraries", "places"),
    [
        (["aiohttp.web"], {"api", "app", "__main__"}),
        (["cloudscraper"], {"upstream.sora_http"}),
        (
            ["requests", "urllib3"],
            {"upstream.sora_http", "upstream.http_call", "upstream.connections", "upstream.cookies"},
        ),
        (["socks"], {"upstream.connections"}),
        (["standardwebhooks"], {"webhooks"}),
        (["jwt"], {"operators.sessions", "key_keeping.expiry"}),
        (["PIL"], {"media"}),
        (
            ["sqlalchemy", "sqlite3"],
            {
                "app",
                "backend_keeping",
                "database",
                "key_keeping.registry",
                "key_keeping.store",
                "operators.audit",
                "operators.runtime_settings",
                "operators.usage",
                "orders",
                "webhooks.outbox",
            },
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_each_library_is_imported_only_in_its_modules(libraries: list[str], places: set[str]) -> None:
    """A place is a module, or a folder with all its modules."""
    users = users_of(*libraries)
    assert {user for user in users if not any(f"{user}.".startswith(f"{place}.") for place in places)} == set()
    assert users


@pytest.mark.slow
def test_modules_and_functions_are_short_and_the_root_is_small() -> None:
    assert len(list(ROOT.glob("*.py"))) <= MAX_ROOT_MODULES
    lines = {module: path.read_text().count("\n") for module, path in PATHS.items()}
    assert {module: count for module, count in lines.items() if count > MAX_LINES} == {}
    for module in PATHS:
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < MAX_FUNCTION_LINES, f"{module}.{node.name}"
                everything = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                parameters = [each for each in everything if each.arg not in ("self", "cls")]
                assert len(parameters) <= MAX_PARAMETERS, f"{module}.{node.name}"


@pytest.mark.slow
def test_every_module_can_be_imported() -> None:
    """Another test rules out cycles, so a module that can be imported can also be imported alone."""
    names = sorted(name for name in PATHS if not name.endswith("__main__"))
    script = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    done = subprocess.run([sys.executable, "-c", script, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
