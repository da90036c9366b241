"""The logging pipeline (structlog) for the log lines of the program, the standard library and aiohttp.

Every line gets the context of its request or generation, its secrets are masked, and it is written as one JSON object
(orjson) or, on a terminal, as coloured text. The event loop only puts lines into a queue; a thread renders and writes
them.
"""

import logging
import queue
import re
import sys
from collections.abc import Callable, Iterable
from logging.handlers import QueueHandler, QueueListener
from typing import Any, Literal

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "***"
# Texts that look like credentials are masked even if they are not among the known secrets.
CREDENTIALS = re.compile(r"(?i)(\bbearer\s+|authorization\W{1,6}basic\s+)[^\s\"'@,}]+|(://[^/\s:@]*:)[^\s/]*(?=@)")
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # characters that end a line or control a terminal
MAX_WAITING_LINES = 10_000
MAX_VALUE_LENGTH = 4000
MAX_DEPTH = 8
MIN_SECRET_LENGTH = 4  # masking a shorter secret would make every line unreadable


class Redactor:
    """A processor that masks the known secrets, and texts that look like credentials, in every value of a line."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        # All the mutable state: the secrets to mask, the longest first. The writing thread reads this tuple.
        self._secrets: tuple[str, ...] = ()
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """Mask these secrets too, from now on."""
        longer = {secret for secret in secrets if len(secret) >= MIN_SECRET_LENGTH}
        self._secrets = tuple(sorted(longer | set(self._secrets), key=len, reverse=True))

    def __call__(self, _logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
        return {name: self._clean(value) for name, value in line.items()}

    def _clean(self, value: Any, depth: int = MAX_DEPTH) -> Any:
        if isinstance(value, dict) and depth:
            return {self._text(name): self._clean(item, depth - 1) for name, item in value.items()}
        if isinstance(value, list | tuple) and depth:
            return [self._clean(item, depth - 1) for item in value]
        if isinstance(value, float | None) or (isinstance(value, int) and value.bit_length() < 64):
            return value
        return self._text(value)

    def _text(self, value: Any) -> str:
        """A value as text: masked first, then cut, so that no part of a secret escapes the mask."""
        try:
            text = str(value)
        except Exception:  # noqa: BLE001  # a failing `__str__` must not prevent the log line
            text = f"<{type(value).__name__}>"
        for secret in self._secrets:
            text = text.replace(secret, MASK)
        if not text.isascii():
            text = text.encode(errors="backslashreplace").decode()
        if "://" in text or len(text.split(None, 1)) > 1:  # no other text can match `CREDENTIALS`
            text = CREDENTIALS.sub(rf"\1\2{MASK}", text)
        half = MAX_VALUE_LENGTH // 2  # both ends are kept, since a traceback ends with the error
        return text if len(text) <= MAX_VALUE_LENGTH else f"{text[:half]} … {text[-half:]}"


class _ContextQueueHandler(QueueHandler):
    """Puts records into the queue as they are, with the context in which they were logged."""

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        record.bound_context = structlog.contextvars.get_contextvars()
        return record


def _add_bound_context(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    record: logging.LogRecord = line["_record"]
    return {**record.__dict__.pop("bound_context", {}), **line}


def _catch_exception(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    """Add the exception itself, because `exc_info=True` would find no exception on the writing thread."""
    return {**line, "exc_info": sys.exc_info()} if line.get("exc_info") is True else line


def _escape(text: str) -> str:
    return (
        text
        if text.isascii() and text.isprintable()
        else UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    )


def _one_line_event(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    return {**line, "event": _escape(str(line.get("event", "")))}


def _orjson_line(_logger: WrappedLogger, _method: str, line: EventDict) -> str:
    first = {name: line.pop(name) for name in ("timestamp", "level", "event") if name in line}
    return _escape(orjson.dumps({**first, **line}).decode())


def _renderers(style: Literal["json", "console"], redact: Processor) -> list[Processor]:
    if style == "json":
        return [structlog.processors.format_exc_info, redact, _orjson_line]
    return [structlog.processors.format_exc_info, redact, _one_line_event, structlog.dev.ConsoleRenderer()]


def configure_logging(
    *, style: Literal["auto", "json", "console"], verbose: bool, redactor: Redactor
) -> Callable[[], None]:
    """Install the pipeline, which writes to standard error. Returns the function that flushes and closes it."""
    if style == "auto":
        style = "console" if sys.stderr.isatty() else "json"
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[_add_bound_context, structlog.stdlib.ExtraAdder(), *shared],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(style, redactor)],
    )
    output = logging.StreamHandler(sys.stderr)
    output.setFormatter(formatter)
    lines: queue.Queue[Any] = queue.Queue(MAX_WAITING_LINES)
    listener = QueueListener(lines, output)
    listener.start()

    logging.raiseExceptions = False  # a line that can't be written is dropped: a report about it would not be masked
    root = logging.getLogger()
    root.handlers[:] = [_ContextQueueHandler(lines)]
    set_verbose(verbose=verbose)
    # The INFO and DEBUG lines of these libraries describe sockets, and contain addresses with credentials.
    for name in ("asyncio", "urllib3", "requests", "charset_normalizer", "PIL", "aiohttp.access"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # These loggers quote bytes from outside, such as requests that are not HTTP. Failures are logged elsewhere.
    for name in ("aiohttp.server", "urllib3.connection"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *shared,
            _catch_exception,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return listener.stop


def set_verbose(*, verbose: bool) -> None:
    """Set whether debug lines, some of which contain prompts, are written."""
    logging.getLogger().setLevel(logging.DEBUG if verbose else logging.INFO)
