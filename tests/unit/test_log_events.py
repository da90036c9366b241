"""The documented list of log events is complete and gives the level of each event."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import sora_proxy

ROOT = Path(sora_proxy.__file__).parent
PAGE = ROOT.parent / "docs" / "log-events.md"
ROW = re.compile(r"^\| `(.+?)` \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
MAKES_LOGGERS = ("get_logger", "getLogger")
Event = tuple[str, str]  # an event and its level


def events_of(module: str) -> Iterator[Event]:
    """The events that a module logs. Fails if an event is not a literal, or if a logger is not named `log`."""
    tree = ast.parse(module)
    of_calls, loggers = set(), set()
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Name("log")], value=ast.Call(func=ast.Attribute(attr="get_logger") as made)):
                loggers.add(id(made))
            case ast.Call(
                func=ast.Attribute(value=ast.Name("log") as log, attr=method), args=[ast.Constant(str(event)), *_]
            ):
                of_calls.add(id(log))
                yield event, LEVELS[method]
    for node in ast.walk(tree):
        match node:
            case ast.Name("log", ctx=ast.Load()) if loggers:
                assert id(node) in of_calls, f"line {node.lineno}: the event must be a literal in a call of `log`"
            case ast.Attribute(attr=name) if name in MAKES_LOGGERS:
                assert id(node) in loggers, f"line {node.lineno}: a logger must be assigned to `log`"


def events_of_the_program() -> set[Event]:
    # log.py may use other loggers, because it configures those of other libraries.
    modules = [path for path in ROOT.rglob("*.py") if path != ROOT / "log.py"]
    return {event for path in modules for event in events_of(path.read_text())}


def events_of_the_page() -> list[Event]:
    return [(event, level) for event, levels, *_ in ROW.findall(PAGE.read_text()) for level in levels.split(", ")]


@pytest.mark.slow
def test_the_page_lists_every_event_of_the_program_with_its_levels() -> None:
    listed = events_of_the_page()
    assert len(listed) == len(set(listed))
    assert set(listed) == events_of_the_program()


def test_each_row_of_the_page_explains_the_event_and_what_to_do() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    assert [line for line in rows if not ROW.match(line)] == []
    for _, _, meaning, advice in ROW.findall(PAGE.read_text()):
        assert meaning.endswith(".")
        assert advice == "nothing" or advice.endswith(".")


LOGGER = "log = structlog.get_logger(__name__)\n"
HIDDEN_EVENTS = {
    "a variable": LOGGER + "log.info(event)",
    "a formatted text": LOGGER + 'log.info(f"order {number} ended")',
    "a choice": LOGGER + 'log.info("expired" if old else "expires")',
    "a method in a variable": LOGGER + 'level = log.info\nlevel("ended")',
    "a logger of another name": 'logger = structlog.get_logger(__name__)\nlogger.info("ended")',
    "a logger without a name": 'structlog.get_logger().info("ended")',
    "a logger of the standard library": 'log = logging.getLogger(__name__)\nlog.info("ended")',
}


@pytest.mark.parametrize("module", HIDDEN_EVENTS.values(), ids=HIDDEN_EVENTS)
def test_an_event_that_is_not_a_literal_is_refused(module: str) -> None:
    with pytest.raises(AssertionError, match="must be"):
        list(events_of(module))


def test_a_logged_exception_counts_as_an_event_with_the_level_error() -> None:
    assert set(
        events_of(LOGGER + 'try:\n    log.info("begun")\nexcept ValueError:\n    log.exception("crashed", n=1)')
    ) == {
        ("begun", "info"),
        ("crashed", "error"),
    }
