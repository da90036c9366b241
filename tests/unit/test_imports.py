"""The table of imports: everything points one way, and each library has its place."""

import ast
import subprocess
import sys
from pathlib import Path

import sora_proxy

ROOT = Path(sora_proxy.__file__).parent
NAMES = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in ROOT.rglob("*.py")}


def users_of(*libraries: str) -> set[str]:
    """The modules that import one of these, or something in it, outside of the simulator."""
    found = set()
    for path, name in NAMES.items():
        for node in ast.walk(ast.parse(path.read_bytes())):
            parts = node.names if isinstance(node, ast.Import | ast.ImportFrom) else []
            start = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            if any(f"{start}{part.name}.".startswith(f"{library}.") for part in parts for library in libraries):
                found.add(name)
    return {name for name in found if not name.startswith("simulator")}


def test_everything_points_one_way_and_each_library_has_its_place() -> None:
    tops = {name.partition(".")[0] for name in NAMES.values()}
    everything_but_errors = {f"sora_proxy.{top}" for top in tops - {"errors", "__init__"}}
    assert users_of(*everything_but_errors).isdisjoint(
        {"errors", "event_log", "blocking", "foreign_json", "log", "public_http", "retry_after"}
    )
    assert "generation" not in users_of(*(everything_but_errors - {"sora_proxy.event_log"}))
    assert {name.partition(".")[0] for name in users_of("aiohttp.web")} == {"api", "app", "__main__"}
    assert users_of("cloudscraper") == {"upstream.sora_http"}
    assert users_of("requests", "urllib3") == {"upstream.sora_http", "upstream.http_call", "upstream.connections"}
    assert users_of("socks") == {"upstream.connections"}
    keepers = {
        "audit",
        "conversations",
        "idempotency",
        "outbox",
        "retention",
        "key_keeping.registry",
        "key_keeping.store",
        "runtime_settings",
        "store",
        "submissions",
        "usage",
    }
    assert users_of("sqlalchemy", "sqlite3") == keepers | {"database"}
    assert users_of("standardwebhooks") == {"deliverer", "webhooks"}
    assert users_of("jwt") == {"sessions", "key_keeping.expiry"}
    assert users_of("sora_proxy.__main__") <= {"__main__"}
    assert users_of("sora_proxy.app") == {"__main__"}
    assert {name.partition(".")[0] for name in users_of("sora_proxy.api")} == {"api", "app", "__main__"}
    beneath = users_of(
        "sora_proxy.upstream", "sora_proxy.orders.lifecycle", "sora_proxy.orders.watcher", "sora_proxy.orders.store"
    )
    assert {name for name in beneath if name.startswith("api")} == {"api.context", "api.orders"}  # a key, a type


def test_every_module_can_be_imported_alone() -> None:
    script = """if True:
        import importlib, sys
        for module in sys.argv[1:]:
            for name in [name for name in sys.modules if name.split(".")[0] == "sora_proxy"]:
                del sys.modules[name]
            importlib.import_module(f"sora_proxy.{module}".removesuffix(".__init__"))"""
    names = sorted(name for name in NAMES.values() if not name.endswith("__main__"))
    done = subprocess.run([sys.executable, "-c", script, *names], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_families_of_the_api_are_apart_and_its_http_layer_knows_no_orders() -> None:
    families = [f"sora_proxy.api.{family}" for family in ("chat", "images", "responses")]
    for family in families:
        inside = family.removeprefix("sora_proxy.")
        assert {name for name in users_of(family) if not name.startswith(f"{inside}.")} == {"api.__init__"}
    rooms = [f"sora_proxy.{room}" for room in ("orders", "scheduling", "key_keeping", "upstream", "webhooks")]
    assert {name for name in users_of(*families, *rooms) if name.startswith("api.http.")} == set()
