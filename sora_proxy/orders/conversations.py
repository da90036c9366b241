"""Conversations: stores the messages of clients with the generations that answer them."""

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa

from sora_proxy.database import Database, metadata
from sora_proxy.generation import Generation
from sora_proxy.orders.store import InSameCommit, generations

conversations = sa.Table(
    "conversations",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),  # in the order of arrival
    sa.Column("generation_id", sa.Text, nullable=False, unique=True),
    sa.Column("client", sa.Text, nullable=False, index=True),
    sa.Column("messages", sa.JSON, nullable=False),
)


@dataclass(frozen=True, slots=True)
class MessageText:
    """The text of one message. Its images are not stored, since they would fill the database."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Page:
    """The part of a list that a client requests. `after` is the id of the last item that the client already has."""

    after: str | None = None
    limit: int = 20
    newest_first: bool = False
    model: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class Conversations:
    """The stored conversations. Methods raise StorageUnavailable if the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @staticmethod
    def keeping(messages: Sequence[MessageText]) -> InSameCommit:
        """A writer that commits a conversation together with its generation."""
        rows = [[message.role, message.text] for message in messages]

        def write(connection: sa.Connection, generation: Generation) -> None:
            row = {"generation_id": generation.id, "client": generation.client, "messages": rows}
            connection.execute(conversations.insert(), row)

        return write

    async def messages(self, generation_id: str) -> list[MessageText] | None:
        """The messages of a conversation; None if it was not stored."""
        query = sa.select(conversations.c.messages).where(conversations.c.generation_id == generation_id)
        found = await self._database.read(lambda connection: connection.scalar(query))
        return None if found is None else [MessageText(*message) for message in found]

    async def ids(self, client: str, page: Page) -> list[str]:
        """The ids of a client's stored conversations; an empty list if there is no conversation with the id `after`."""
        query = sa.select(conversations.c.generation_id).where(conversations.c.client == client)
        if page.model is not None or page.metadata:
            spec = generations.c.spec
            query = query.join(generations, generations.c.id == conversations.c.generation_id)
            if page.model is not None:
                query = query.where(spec["model"].as_string() == page.model)
            for name, value in page.metadata.items():
                query = query.where(spec["metadata", name].as_string() == value)
        number = conversations.c.number
        if page.after is not None:
            start = sa.select(number).where(
                conversations.c.client == client, conversations.c.generation_id == page.after
            )
            beyond = operator.lt if page.newest_first else operator.gt
            query = query.where(beyond(number, start.scalar_subquery()))
        query = query.order_by(number.desc() if page.newest_first else number).limit(page.limit)
        return await self._database.read(lambda connection: list(connection.scalars(query)))
