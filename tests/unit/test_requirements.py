"""The requirements in setup.cfg and the versions pinned in the lock files agree, and both are complete."""

import ast
import configparser
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
RUN = ROOT / "requirements.txt"
LOCKS = {extra: ROOT / "requirements" / f"{extra}.txt" for extra in ("build", "test", "lint")}
PIN = re.compile(
    r"^([a-z0-9._-]+)==([^\s;]+)(?: ;[^\n\\]*)? \\\n((?: {4}--hash=sha256:[0-9a-f]{64}(?: \\)?\n)+)", re.MULTILINE
)

OF_PROGRAMS = ("muse", "playwright")  # packages that are installed only for one program of tests/programs

each_lock = pytest.mark.parametrize("lock", [RUN, *LOCKS.values()], ids=lambda path: path.name)


def declared(section: str, name: str) -> list[Requirement]:
    """The requirements that an option of setup.cfg lists."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    return [Requirement(line) for line in setup[section][name].split("\n") if line]


def pinned(lock: Path) -> dict[str, set[str]]:
    """The versions of each package in a lock file.

    A package may have several versions, for different versions of Python.
    """
    versions: dict[str, set[str]] = {}
    for name, version, _ in PIN.findall(lock.read_text()):
        versions.setdefault(name, set()).add(version)
    return versions


@pytest.mark.parametrize(
    ("lock", "section", "option"),
    [(RUN, "options", "install_requires"), *((lock, "options.extras_require", extra) for extra, lock in LOCKS.items())],
    ids=lambda value: value.name if isinstance(value, Path) else "",
)
def test_a_lock_file_pins_every_declared_package_at_an_allowed_version(lock: Path, section: str, option: str) -> None:
    versions = pinned(lock)
    for requirement in declared(section, option):
        name = canonicalize_name(requirement.name)
        assert name in versions, requirement
        assert list(requirement.specifier.filter(versions[name])) == list(versions[name]), requirement


@each_lock
def test_a_lock_file_contains_only_comments_and_pins_with_hashes(lock: Path) -> None:
    rest = PIN.sub("", lock.read_text())
    assert [line for line in rest.splitlines() if not line.lstrip().startswith("#")] == []


@each_lock
def test_a_package_has_the_same_version_in_all_lock_files(lock: Path) -> None:
    run = pinned(RUN)
    assert {name: version for name, version in pinned(lock).items() if run.get(name, version) != version} == {}


@each_lock
def test_a_lock_file_contains_no_index_and_no_path(lock: Path) -> None:
    assert re.findall(r"://|--index|--find-links|^-|\s/\S*", lock.read_text(), re.MULTILINE) == []


def test_the_build_requirements_in_pyproject_toml_and_setup_cfg_are_equal() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert [Requirement(line) for line in project["build-system"]["requires"]] == declared(
        "options.extras_require", "build"
    )


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "extras"), [("sora_proxy", []), ("tests", ["test"])], ids=["package", "tests"])
def test_every_library_that_is_imported_is_declared(folder: str, extras: list[str]) -> None:
    requirements = declared("options", "install_requires")
    requirements += [requirement for extra in extras for requirement in declared("options.extras_require", extra)]
    names = {canonicalize_name(requirement.name) for requirement in requirements}
    providers = packages_distributions()
    imported = _imported(ROOT / folder) - sys.stdlib_module_names - {"sora_proxy", "tests", "docs", *OF_PROGRAMS}
    assert [name for name in imported if not names & set(map(canonicalize_name, providers[name]))] == []


def _imported(folder: Path) -> set[str]:
    """The top-level packages that are imported below a folder."""
    found = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").partition(".")[0])
    return found
