"""What a test leaves open fails that test, and no other.

A socket, session or process that nobody closed complains when it is collected as garbage, which may be long after its
test. So garbage is collected after each test. What is alive then is frozen, that is, not looked at again: a collection
takes 1.5 ms so, and 120 ms otherwise.
"""

import contextlib
import gc
import sys
from collections.abc import Generator, Iterator

import pytest
from aiohttp import web_app


def pytest_collection_finish() -> None:
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, object, object]:
    """After the last fixture of a test, look for what it left open."""
    result = yield
    if nextitem is None:  # what lived longer than its test is found at the end
        gc.unfreeze()
    with _complaints() as complaints:
        _let_go(item)
        gc.collect()
    gc.freeze()
    if complaints:
        pytest.fail("left open:\n" + "\n".join(complaints), pytrace=False)
    return result


def _let_go(item: pytest.Item) -> None:
    """Drop what others still hold of the test: pytest, until a moment later, its fixtures and the frames of a failure.

    And aiohttp the applications of the last 1024 handlers that were called, which were half a gigabyte.
    """
    web_app._cached_build_middleware.cache_clear()
    if isinstance(item, pytest.Function):
        item.funcargs.clear()
    for name in ("last_exc", "last_type", "last_value", "last_traceback"):
        sys.__dict__.pop(name, None)


@contextlib.contextmanager
def _complaints() -> Iterator[list[str]]:
    """The complaints of what is found unclosed meanwhile."""
    complaints: list[str] = []

    def note(unraisable: "sys.UnraisableHookArgs") -> None:
        complaints.append(f"{unraisable.exc_value!r} in {unraisable.object!r}")

    hook, sys.unraisablehook = sys.unraisablehook, note
    try:
        yield complaints
    finally:
        sys.unraisablehook = hook
