"""`make docs`: write the options of `Settings` into docs/configuration.md and config/sora_proxy.env.example."""

import textwrap
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo

from sora_proxy.settings.options import Settings

ROOT = Path(__file__).parents[1]
TABLES = ROOT / "docs" / "configuration.md"
EXAMPLE = ROOT / "config" / "sora_proxy.env.example"
BEGIN, END = "<!-- Written by `make docs`, up to the end mark -->\n", "<!-- End -->\n"
# The first option of each section. A new option belongs to the section of the option before it.
SECTIONS = {
    "api_host": "Listening",
    "api_auth_token": "Access",
    "upstream": "Back ends",
    "proxies": "Egresses",
    "poll_interval": "Orders at a back end",
    "model_aliases": "Model names, daily cap, simulator",
    "max_queue": "Queue",
    "sync_wait": "Answers",
    "data_dir": "Images and data",
    "webhook_allow": "Webhooks",
    "shutdown_grace": "Operation",
}
HEAD = """\
# Every option of sora_proxy, with its default. Copy this file to config/sora_proxy.env or to .env in the folder where
# the program starts, and remove the # in front of the options that you change.
#
# The first source that has an option wins: the environment, .env, config/sora_proxy.env, the default. An empty value
# counts as not set. All durations are in seconds. JSON is written on one line: API_KEYS=[{"key": "Bearer eyJ..."}]
# `docker run --env-file` reads this file too, as long as no value is in quotes.
"""


def sections() -> Iterator[tuple[str, list[tuple[str, FieldInfo]]]]:
    """The title of each section and its options, in the order of `Settings`."""
    options = list(Settings.model_fields.items())
    names = [name for name, _ in options]
    starts = [names.index(first) for first in SECTIONS]
    for title, (start, end) in zip(SECTIONS.values(), pairwise([*starts, len(options)]), strict=True):
        yield title, options[start:end]


def default_of(field: FieldInfo) -> str:
    """The default as it is written in a settings file; an empty text if there is none."""
    default: Any = field.default
    if default in (None, (), {}):
        return ""
    if isinstance(default, tuple):
        return ",".join(default)
    return str(default).removesuffix(".0") if isinstance(default, float) else str(default)


def shown_default(field: FieldInfo) -> str:
    default = default_of(field)
    return f"`{default}`" if default else "unset"


def tables() -> str:
    """All options as Markdown, one table for each section."""
    parts = []
    for title, options in sections():
        rows = [f"| `{name.upper()}` | {shown_default(field)} | {field.description} |" for name, field in options]
        parts.append("\n".join([f"### {title}\n", "| option | default | meaning |", "|---|---|---|", *rows, ""]))
    return "\n".join(parts)


def configuration() -> str:
    """The whole text of docs/configuration.md, with the tables of this program."""
    before, _, rest = TABLES.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{tables()}\n{END}{after}"


def example() -> str:
    """The whole text of config/sora_proxy.env.example."""
    parts = [HEAD]
    for title, options in sections():
        parts.append(f"# --- {title} ---\n")
        for name, field in options:
            comment = textwrap.fill(field.description or "", 118, break_on_hyphens=False)
            parts.append(f"{textwrap.indent(comment, '# ')}\n#{name.upper()}={default_of(field)}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    for path, text in ((TABLES, configuration()), (EXAMPLE, example())):
        path.write_text(text)
