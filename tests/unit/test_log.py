"""Log lines: each line is one JSON object with its context and without secrets."""

import io
import logging
import logging.handlers
import queue
import re
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import requests
import structlog

from sora_proxy.log import MAX_DEPTH, MAX_VALUE_LENGTH, Redactor, configure_logging
from sora_proxy.upstream.sora_http import SoraHttp
from tests.scripted import Server, answer, order, serving

TOKEN = "eyJ-upstream-token-marker"
PASSWORD = "proxy-p@ss/wörd,'\"}marker"
SECRETS = [TOKEN, PASSWORD, "abc"]  # the last text is too short to count as a secret
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str]]:
    """Configure logging, and give the test a function that stops logging and returns the text that was written."""
    root, raises = logging.getLogger(), logging.raiseExceptions
    handlers, level = root.handlers[:], root.level
    names = ("asyncio", "urllib3", "requests", "charset_normalizer", "PIL", "aiohttp.access")
    levels = {name: logging.getLogger(name).level for name in names}
    errors = io.StringIO()
    monkeypatch.setattr(sys, "stderr", errors)
    stops = [configure_logging(style="json", verbose=True, redactor=Redactor(SECRETS))]

    def read() -> str:
        stops.pop()()
        return errors.getvalue()

    yield read
    for stop in stops:
        stop()
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in names:
        logging.getLogger(name).setLevel(levels[name])
    logging.raiseExceptions = raises


@pytest.fixture
def lines(written: Callable[[], str]) -> Lines:
    """A function that stops logging and returns the parsed lines. A line that is not JSON makes the test fail."""

    def read() -> list[dict[str, Any]]:
        text = written()
        assert text.endswith("\n")
        return [orjson.loads(line) for line in text.removesuffix("\n").split("\n")]

    return read


def only(lines: Lines) -> dict[str, Any]:
    (line,) = lines()
    return line


log = structlog.get_logger("sora_proxy.test")
standard = logging.getLogger("somebody.else")
log_of_somebody: Callable[..., object] = standard.warning


def test_a_line_begins_with_its_time_level_event_and_logger(lines: Lines) -> None:
    log.info("something happened", number=7, ratio=0.5, none=None, yes=True)
    line = only(lines)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line.pop("timestamp"))
    assert line == {
        "level": "info",
        "event": "something happened",
        "logger": "sora_proxy.test",
        "number": 7,
        "ratio": 0.5,
        "none": None,
        "yes": True,
    }


def test_lines_of_standard_library_loggers_have_the_same_form(lines: Lines) -> None:
    standard.warning("%s of %d", "three", 4, extra={"more": [1]})
    line = only(lines)
    del line["timestamp"]
    line.pop("message", None)  # pytest's own handler adds this field to the record
    assert line == {"level": "warning", "event": "three of 4", "logger": "somebody.else", "more": [1]}


def test_bound_context_is_added_to_lines_of_structlog_and_the_standard_library(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(generation="chatcmpl-1"):
        log.info("ours")
        standard.warning("theirs")
    log.info("outside")
    standard.warning("outside")
    assert [line.get("generation") for line in lines()] == ["chatcmpl-1", "chatcmpl-1", None, None]


def test_connection_details_logged_by_other_libraries_are_dropped(lines: Lines) -> None:
    logging.getLogger("urllib3.connectionpool").debug("Starting new connection: http://user:pass@proxy")
    logging.getLogger("asyncio").info("using selector")
    log.info("the only one")
    assert only(lines)["event"] == "the only one"


# --- One line per event -----------------------------------------------------------------------------------------------

NASTY = 'a\nb\rc\r\nd\x00\x1b[2J\x7f\x9b31m\x85\u2028\u2029 data: [DONE]\n\n{"level":"error"}'


@pytest.mark.parametrize("where", ["event", "value", "nested", "name", "standard", "argument", "context"])
def test_no_value_breaks_out_of_its_line_or_controls_a_terminal(written: Callable[[], str], where: str) -> None:
    ways: dict[str, Callable[[], object]] = {
        "event": lambda: log.info(NASTY),
        "value": lambda: log.info("x", path=NASTY),
        "nested": lambda: log.info("x", tree=[{"a": (NASTY,)}]),
        "name": lambda: log.info("x", tree={NASTY: 1}),
        "standard": lambda: log_of_somebody(NASTY),
        "argument": lambda: log_of_somebody("%s", NASTY),
        "context": lambda: log.bind(prompt=NASTY).info("x"),
    }
    ways[where]()
    text = written()
    (line,) = text.splitlines()
    assert line.isprintable()
    assert NASTY in repr_of_all(orjson.loads(line))


def repr_of_all(value: Any) -> list[str]:
    """All the strings in a value."""
    if isinstance(value, dict):
        return [text for pair in value.items() for part in pair for text in repr_of_all(part)]
    if isinstance(value, list):
        return [text for item in value for text in repr_of_all(item)]
    return [value] if isinstance(value, str) else []


def without_the_handlers_of_pytest() -> None:
    """Remove pytest's handlers, which fail a test if a line can't be formatted."""
    del logging.getLogger().handlers[1:]


class Unprintable:
    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


def ring() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def deep() -> Any:
    value: Any = "bottom"
    for _ in range(5000):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        "\udcff\ud800",
        {"\udcff": 1},
        10**30,
        -(10**30),
        [10**5000],
        float("nan"),
        float("inf"),
        b"bytes \xff",
        {1, 2},
        {(1, 2): 3, None: 4},
        Unprintable(),
        [Unprintable()],
        ring(),
        deep,
        ValueError("an exception"),
        object(),
        "x" * 1_000_000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_line_with_an_odd_value_is_written_and_logging_continues(lines: Lines, value: Any) -> None:
    without_the_handlers_of_pytest()
    log.info("odd value", value=value() if value is deep else value)
    log.info("the next")
    first, second = lines()
    assert first["event"] == "odd value"
    assert "value" in first
    assert len(orjson.dumps(first)) < MAX_VALUE_LENGTH + 500
    assert second["event"] == "the next"


def test_a_line_that_cannot_be_formatted_is_dropped_and_the_next_line_is_written(lines: Lines) -> None:
    without_the_handlers_of_pytest()
    standard.warning("%d arguments are missing", f"Bearer {TOKEN}", "and one is too many")
    log.info("the next")
    assert only(lines)["event"] == "the next"


def test_a_line_is_dropped_silently_if_the_log_queue_is_full(
    written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (handler, *_) = logging.getLogger().handlers
    assert isinstance(handler, logging.handlers.QueueHandler)
    full: queue.Queue[Any] = queue.Queue(1)
    full.put("one line that nobody takes")
    monkeypatch.setattr(handler, "queue", full)
    log.info("one too many", value=TOKEN)
    assert written() == ""


# --- Secrets ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "log_it",
    [
        lambda: log.info(TOKEN),
        lambda: log.info("x", value=TOKEN),
        lambda: log.info("x", value=[{"deep": (f"a{TOKEN}b",)}]),
        lambda: log.info("x", value={TOKEN: 1}),
        lambda: log.info("x", value={TOKEN}),
        lambda: log.info("x", value=TOKEN.encode()),
        lambda: log.info("x", value=ValueError(TOKEN)),
        lambda: log.info("x", value=PASSWORD),
        lambda: log.info("x", value="x" * (MAX_VALUE_LENGTH // 2 - 10) + TOKEN + "x" * MAX_VALUE_LENGTH),
        lambda: log.info("x", value="x" * MAX_VALUE_LENGTH + TOKEN + "x" * (MAX_VALUE_LENGTH // 2 - 10)),
        lambda: log.info("x", value=deep_list(TOKEN)),
        lambda: standard.warning("with %s", TOKEN),
        lambda: standard.warning({"a": TOKEN}),
        lambda: standard.warning("x", extra={"header": f"Bearer {TOKEN}"}),
        lambda: log.bind(key=TOKEN).info("x"),
        lambda: [structlog.contextvars.bind_contextvars(key=TOKEN), log_of_somebody("x")],
        lambda: fail(log),
        lambda: fail(standard),
    ],
)
def test_a_registered_secret_is_masked_in_every_part_of_a_line(
    written: Callable[[], str], log_it: Callable[[], object]
) -> None:
    log_it()
    text = written()
    assert "***" in text
    assert "marker" not in text
    assert "upstream-token" not in text


def deep_list(value: Any) -> Any:
    for _ in range(MAX_DEPTH + 2):
        value = [value]
    return value


def refuse(reason: str, cause: Exception | None = None) -> None:
    raise ConnectionError(reason) from cause


def fail(logger: Any, reason: str = f"refused: {PASSWORD}") -> None:
    try:
        refuse(reason, KeyError(TOKEN))
    except ConnectionError:
        logger.exception("it broke")


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("Authorization: Bearer abc.def-1", "Authorization: Bearer ***"),
        ("{'authorization': 'bearer x1'}", "{'authorization': 'bearer ***'}"),
        ("Proxy-Authorization: Basic dXNlcjpwdw==", "Proxy-Authorization: Basic ***"),
        ("http://user:pw@proxy.example:7890/", "http://user:***@proxy.example:7890/"),
        ("http://user:p@w,'\"}@proxy.example", "http://user:***@proxy.example"),
        ("http://:pw@proxy.example", "http://:***@proxy.example"),
        ("a http://u:1@x and https://v:2@y", "a http://u:***@x and https://v:***@y"),
        ("http://127.0.0.1:8890/v1/models", "http://127.0.0.1:8890/v1/models"),
        ("at 12:30, mail to me@example.com", "at 12:30, mail to me@example.com"),
        ("basic ideas about bearers", "basic ideas about bearers"),
    ],
)
def test_only_values_that_look_like_credentials_are_masked(lines: Lines, text: str, clean: str) -> None:
    log.info("x", value=text)
    assert only(lines)["value"] == clean


def test_logged_exceptions_of_requests_show_no_proxy_password(written: Callable[[], str]) -> None:
    session = requests.Session()
    session.trust_env = False
    proxy = "http://user:hidden-marker@127.0.0.1:1"
    try:
        session.get("http://sora.example/backend", proxies={"http": proxy}, timeout=5)
    except requests.RequestException as error:
        log.exception("call failed", reason=str(error), proxy=proxy)
        standard.exception("call failed through %s", proxy)
    else:
        pytest.fail("the call succeeded, although nothing listens on the port")
    text = written()
    assert text.count("Traceback") >= 2
    assert "user:***@127.0.0.1:1" in text
    assert "marker" not in text


@pytest.mark.parametrize("logger", [log, standard], ids=["ours", "standard"])
def test_an_exception_is_logged_with_its_traceback(lines: Lines, logger: Any) -> None:
    """The line is written on a thread other than the one on which the exception was raised."""
    fail(logger, "what happened")
    line = only(lines)
    assert line["event"] == "it broke"
    assert "Traceback (most recent call last)" in line["exception"]
    assert line["exception"].endswith("ConnectionError: what happened")


def test_malformed_headers_of_a_back_end_are_not_logged(written: Callable[[], str]) -> None:
    def script(server: Server, sock: socket.socket) -> None:
        server.read(sock)
        answer(sock, b"{}", "text of the back end", "x: y")

    http = SoraHttp()
    with serving() as serve:
        assert http.call(order(serve(script), "/fox.png?sig=signature")).status == 200
    http.close()
    assert written() == ""


def test_a_long_traceback_is_shortened_but_its_end_remains(lines: Lines) -> None:
    try:
        refuse("the reason", LookupError("x" * MAX_VALUE_LENGTH))
    except ConnectionError:
        log.exception("it broke")
    text = only(lines)["exception"]
    assert len(text) < MAX_VALUE_LENGTH + 10
    assert text.endswith("ConnectionError: the reason")


def test_an_event_is_a_single_line_in_the_console_style(
    written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stderr", terminal)
    stop = configure_logging(style="console", verbose=True, redactor=Redactor(SECRETS))
    standard.warning("path %s", f"/\x1b[2J\nforged {TOKEN}")
    log.info("x", path="/\x1b[2J\nforged")
    stop()
    text = terminal.getvalue()
    assert len(text.splitlines()) == 2
    assert "forged" in text
    assert "\x1b[2J" not in text
    assert TOKEN not in text
    assert written() == ""
