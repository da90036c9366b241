"""Idempotency: finds the earlier request that a request repeats.

A client may mark a repeated request with an `Idempotency-Key`. OpenAI's SDKs send no such key: if an answer was lost,
they repeat the request with a header that counts the retries. The earlier request is then found by a digest of the
order. The key and the digest are stored in the transaction of the new generation, so if several equal requests arrive
at the same time, only one of them becomes an order.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakValueDictionary

import orjson
import sqlalchemy as sa

from sora_proxy.database import Database, metadata
from sora_proxy.errors import IdempotencyMismatch
from sora_proxy.generation import Generation
from sora_proxy.orders.store import InSameCommit, generations
from sora_proxy.spec import GenerationSpec

JOIN_SECONDS = 600.0  # a repeat without an Idempotency-Key joins a generation that ended at most this long ago
MAX_AGE_SECONDS = 86400.0
MAX_REFUSALS = 10_000

# The column `answer_id` is not named `generation_id`, because rows with a column of that name are deleted together with
# the generation, and an Idempotency-Key outlives the generation.
sent = sa.Table(
    "sent_requests",
    metadata,
    sa.Column("answer_id", sa.Text, primary_key=True),
    sa.Column("client", sa.Text, nullable=False),
    sa.Column("key", sa.Text),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False, index=True),
    sa.UniqueConstraint("client", "key"),
    sa.Index("ix_sent_requests_digest", "client", "digest"),
)


@dataclass(frozen=True, slots=True)
class Claim:
    """The identity of a request. `key` is its Idempotency-Key; `counted`: whether the
    client's count of retries marks it as a repeat."""

    client: str
    digest: str
    key: str | None = None
    counted: bool = False

    @property
    def may_repeat(self) -> bool:
        return self.counted or self.key is not None


def order_digest(spec: GenerationSpec, images: Sequence[str | Path] = (), mask: str | Path | None = None) -> str:
    """A digest that is equal for equal orders. `images` and `mask` are addresses, data URIs or files.

    The files are read and hashed, so this must be called on a thread if the images are large.
    """
    sources = [_source(image) for image in images]
    # One reference image, or none, is hashed as in older versions, because the database contains digests that older
    # versions stored.
    order = [spec.ordered(), sources if len(sources) > 1 else next(iter(sources), None)]
    if mask is not None:
        order.append(_source(mask))
    return hashlib.sha256(orjson.dumps(order, option=orjson.OPT_SORT_KEYS)).hexdigest()


class Repeated(Exception):
    """The request repeats an earlier one, which started the generation with this id."""

    def __init__(self, generation_id: str) -> None:
        super().__init__(generation_id)
        self.generation_id = generation_id


class Idempotency:
    """The stored requests. Methods raise StorageUnavailable if the database fails."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # All the mutable state: a lock for each group of requests that may be equal, and the orders that were refused
        # most recently.
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._refused: dict[tuple[str, str], None] = {}

    def turn(self, claim: Claim) -> AbstractAsyncContextManager[None]:
        """A lock under which requests that may be equal run one after another, so that the later requests find the
        first one."""
        if not claim.may_repeat:
            return contextlib.nullcontext()
        return self._turns.setdefault((claim.client, claim.key or claim.digest), asyncio.Lock())

    def refused(self, claim: Claim) -> None:
        """Note that a request was refused, so that repeating it creates a new order instead of joining an older one."""
        self._refused[claim.client, claim.digest] = None
        if len(self._refused) > MAX_REFUSALS:
            del self._refused[next(iter(self._refused))]

    def follows_refusal(self, claim: Claim) -> bool:
        """Whether a request repeats one that was refused. The answer is true only once per refusal."""
        return self._refused.pop((claim.client, claim.digest), False) is None

    async def earlier(self, claim: Claim) -> str | None:
        """The id of the generation that an earlier, equal request created; None if this request is new.

        Raises IdempotencyMismatch if the request's key was used for another order.
        """
        return await self._database.read(lambda connection: _earlier(connection, claim)) if claim.may_repeat else None

    @staticmethod
    def noting(claim: Claim) -> InSameCommit:
        """A writer that commits a request together with its generation. It raises Repeated for a repeated request."""

        def write(connection: sa.Connection, generation: Generation) -> None:
            if (earlier := _earlier(connection, claim)) is not None:
                raise Repeated(earlier)
            row = {"answer_id": generation.id, "client": claim.client, "key": claim.key, "digest": claim.digest}
            connection.execute(sent.insert(), row | {"created_at": generation.created_at})

        return write

    async def forget(self) -> None:
        """Delete requests that are too old to be repeated."""
        old = sent.delete().where(sent.c.created_at < time.time() - MAX_AGE_SECONDS)
        await self._database.write(lambda connection: connection.execute(old))


def _source(image: str | Path) -> str:
    return hashlib.sha256(image.read_bytes()).hexdigest() if isinstance(image, Path) else image


def _earlier(connection: sa.Connection, claim: Claim) -> str | None:
    if claim.key is not None:
        same_key = (sent.c.client == claim.client) & (sent.c.key == claim.key)
        found = connection.execute(sa.select(sent.c.answer_id, sent.c.digest).where(same_key)).first()
        if found is not None and found.digest != claim.digest:
            raise IdempotencyMismatch("This Idempotency-Key was used for another order. Use a new key for a new order.")
        return found.answer_id if found is not None else None
    if not claim.counted:
        return None
    same_order = (sent.c.client == claim.client) & (sent.c.digest == claim.digest)
    ended_at = generations.c.ended_at
    recent = ended_at.is_(None) | (ended_at > time.time() - JOIN_SECONDS)
    query = sa.select(generations.c.id).join(sent, sent.c.answer_id == generations.c.id).where(same_order & recent)
    return connection.scalar(query.order_by(generations.c.number.desc()).limit(1))
