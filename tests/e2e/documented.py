"""The commands and outputs that the documents show."""

import re

from tests.markdown_pages import README, code_blocks

CUT_WORD = re.compile(r"[\w-]+…")
NUMBER = re.compile(r"\d+")
STARTS = "make run"
# The beginnings of the commands that are not tested: the tests neither install Docker nor run themselves.
EXCEPTED = ("docker ", "make test")


def blocks(*languages: str) -> list[str]:
    """The code blocks of the README in these languages."""
    return [text for language, text in code_blocks(README) if language in languages]


def is_start(block: str) -> bool:
    """Whether a block starts the server."""
    return block.strip().endswith(STARTS)


def is_call(block: str) -> bool:
    """Whether a block calls the server with curl."""
    return block.startswith("curl ")


def is_excepted(block: str) -> bool:
    return all(line.startswith(EXCEPTED) for line in block.splitlines())


def pattern(shown: str) -> re.Pattern[str]:
    """A pattern for output like the shown output: `…` matches any text, and numbers may differ.

    A line that begins and ends with `…` matches any lines.
    """
    lines = ["…" if line.startswith("… ") and line.endswith(" …") else line for line in shown.strip().splitlines()]
    escaped = re.escape(CUT_WORD.sub("…", "\n".join(lines)))
    return re.compile(NUMBER.sub(r"\\d+", escaped).replace("…", ".*"), re.DOTALL)
