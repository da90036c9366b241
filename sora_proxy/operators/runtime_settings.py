"""RuntimeSettings: the few options that operators may change while the server is running.

Their choices are stored in the database, and override the configuration until they are set to null. `current` contains
the settings in force. Code that needs one of these options reads it from `current` every time.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
import structlog
from pydantic import TypeAdapter, ValidationError

from sora_proxy.background import uninterrupted
from sora_proxy.database import Database, metadata
from sora_proxy.errors import InvalidOption, UnknownOption
from sora_proxy.operators import audit
from sora_proxy.operators.audit import Actor
from sora_proxy.settings.accounts import egress_names
from sora_proxy.settings.kinds import AT_RUN_TIME
from sora_proxy.settings.options import Settings

log = structlog.get_logger(__name__)

# For each option, by its name: its field in the settings, and the check of its values.
FIELDS = {name.upper(): name for name, field in Settings.model_fields.items() if AT_RUN_TIME in field.metadata}
CHECKS: dict[str, TypeAdapter[Any]] = {
    option: TypeAdapter(Settings.model_fields[name].rebuild_annotation()) for option, name in FIELDS.items()
}

chosen = sa.Table(
    "settings",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),  # as the operator sent it
)


class RuntimeSettings:
    """The settings in force. `apply` is called with them whenever they change."""

    def __init__(self, configured: Settings, database: Database, apply: Callable[[Settings], None]) -> None:
        self._configured = configured
        self._database = database
        self._apply = apply
        # All the mutable state: the chosen values as operators sent them; the settings in force; the lock that
        # allows one change at a time.
        self._chosen: dict[str, Any] = {}
        self.current = configured
        self._changing = asyncio.Lock()

    async def open(self) -> None:
        """Apply the stored choices."""
        stored = {}
        for option, value in await self._database.read(_stored):
            try:
                _check(option, value)
            except InvalidOption as error:  # this version may not know the option, or may not accept the stored value
                log.warning("stored setting ignored", reason=str(error))
            else:
                stored[option] = value
        self._take_effect(stored)

    async def change(self, changes: dict[str, Any], actor: Actor) -> None:
        """Set all of these options, or none; the value None restores the configured one.

        Raises UnknownOption or InvalidOption.
        """
        for option, value in changes.items():
            _check(option, value)
        await uninterrupted(self._change(changes, actor))

    async def _change(self, changes: dict[str, Any], actor: Actor) -> None:
        async with self._changing:
            after = {option: value for option, value in (self._chosen | changes).items() if value is not None}
            settings = self._with(after)
            differences = {option: (redacted(self.current, option), redacted(settings, option)) for option in changes}

            def write(connection: sa.Connection) -> None:
                connection.execute(chosen.delete().where(chosen.c.name.in_(list(changes))))
                for option in changes.keys() & after.keys():
                    connection.execute(chosen.insert(), {"name": option, "value": after[option]})
                audit.note(connection, actor, "settings.change", ", ".join(changes), differences)

            await self._database.write(write)
            self._take_effect(after)

    def source(self, option: str) -> str:
        """The source of the value in force."""
        if option in self._chosen:
            return "admin"
        return "environment" if FIELDS[option] in self._configured.model_fields_set else "default"

    def _take_effect(self, chosen_now: dict[str, Any]) -> None:
        before, self.current = self.current, self._with(chosen_now)
        self._chosen = chosen_now
        if self.current != before:
            self._apply(self.current)

    def _with(self, values: dict[str, Any]) -> Settings:
        checked = {FIELDS[option]: CHECKS[option].validate_python(value) for option, value in values.items()}
        return self._configured.model_copy(update=checked)


def redacted(settings: Settings, option: str) -> Any:
    """An option's value as operators see it, without secrets."""
    return egress_names(settings.proxies) if option == "PROXIES" else getattr(settings, FIELDS[option])


def _check(option: str, value: Any) -> None:
    if option not in FIELDS:
        message = f"{option[:40]!r} can't be changed while the server is running. Only these can: {', '.join(FIELDS)}."
        raise UnknownOption(message, option=option[:40])
    if value is None:
        return
    try:
        CHECKS[option].validate_python(value)
    except ValidationError as error:
        reason = error.errors(include_url=False, include_context=False, include_input=False)[0]["msg"]
        message = f"Invalid value for '{option}': {reason.removeprefix('Value error, ')}."
        raise InvalidOption(message, option=option) from None


def _stored(connection: sa.Connection) -> list[tuple[str, Any]]:
    return [(row.name, row.value) for row in connection.execute(sa.select(chosen))]
