"""Repeated requests: the database decides which request was the first, and remembers that request for a day."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from sora_proxy.database import Database
from sora_proxy.errors import IdempotencyMismatch
from sora_proxy.event_log import Failed
from sora_proxy.generation import Generation, Status, new_generation_id
from sora_proxy.orders.idempotency import (
    JOIN_SECONDS,
    MAX_AGE_SECONDS,
    Claim,
    Idempotency,
    Repeated,
    order_digest,
    sent,
)
from sora_proxy.orders.store import Store, generations
from sora_proxy.spec import GenerationSpec

KEYED = Claim("client", "digest", key="key")
COUNTED = Claim("client", "digest", counted=True)


async def add(database: Database, claim: Claim) -> Generation:
    generation = Generation(new_generation_id(), claim.client, GenerationSpec("m", "p"))
    await Store(database).add(generation, Idempotency.noting(claim))
    return generation


async def age(database: Database, seconds: float) -> None:
    """Move all times in the database this many seconds into the past."""

    def write(connection: sa.Connection) -> None:
        connection.execute(sent.update().values(created_at=sent.c.created_at - seconds))
        connection.execute(generations.update().values(ended_at=generations.c.ended_at - seconds))

    await database.write(write)


@pytest.mark.parametrize("claim", [KEYED, COUNTED], ids=["with a key", "counted"])
async def test_of_many_equal_requests_in_one_commit_only_one_is_stored(database: Database, claim: Claim) -> None:
    done = await asyncio.gather(*(add(database, claim) for _ in range(20)), return_exceptions=True)
    (first,) = (each for each in done if isinstance(each, Generation))
    assert [each.generation_id for each in done if isinstance(each, Repeated)] == [first.id] * 19
    rows = await database.read(lambda connection: connection.scalar(sa.select(sa.func.count(generations.c.id))))
    assert rows == 1


async def test_a_client_cannot_use_an_idempotency_key_for_a_different_order(database: Database) -> None:
    await add(database, KEYED)
    with pytest.raises(IdempotencyMismatch):
        await add(database, replace(KEYED, digest="another"))
    await add(database, replace(KEYED, client="another"))


async def test_a_retry_joins_the_newest_equal_order_that_is_unfinished_or_recently_ended(database: Database) -> None:
    idempotency, uncounted = Idempotency(database), replace(COUNTED, counted=False)
    assert await idempotency.earlier(COUNTED) is None
    older, newer = [await add(database, uncounted) for _ in range(2)]
    assert await idempotency.earlier(COUNTED) == newer.id
    assert await idempotency.earlier(uncounted) is None
    assert await idempotency.earlier(replace(COUNTED, digest="another")) is None
    assert await idempotency.earlier(replace(COUNTED, client="another")) is None
    await Store(database).record(newer, newer.state.to(Status.failed), Failed("code", "message"))
    assert await idempotency.earlier(COUNTED) == newer.id
    await age(database, JOIN_SECONDS)
    assert await idempotency.earlier(COUNTED) == older.id


async def test_an_idempotency_key_is_remembered_for_a_day_and_then_forgotten(database: Database) -> None:
    idempotency = Idempotency(database)
    first = await add(database, KEYED)
    await age(database, MAX_AGE_SECONDS - 60)
    await idempotency.forget()
    assert await idempotency.earlier(KEYED) == first.id
    await age(database, 120)
    await idempotency.forget()
    assert await idempotency.earlier(KEYED) is None


async def test_a_refusal_is_remembered_for_one_repeat_of_the_refused_order(database: Database) -> None:
    idempotency = Idempotency(database)
    assert not idempotency.follows_refusal(COUNTED)
    idempotency.refused(COUNTED)
    assert not idempotency.follows_refusal(replace(COUNTED, client="another"))
    assert [idempotency.follows_refusal(COUNTED) for _ in range(2)] == [True, False]


FOX = GenerationSpec("sora-1.0", "a red fox")
DATA_URI = "data:image/png;base64,AAAA"


@pytest.mark.parametrize(
    ("spec", "image", "digest"),
    [
        (FOX, None, "66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6"),
        (
            replace(
                FOX,
                images=("0123.png",),
                include_usage=True,
                metadata={"a": "b"},
                keep=True,
                webhook_url="https://example.com/hook",
                origin="https://images.example.com",
            ),
            None,
            "66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6",
        ),
        (
            replace(FOX, n=2, width=480, height=720),
            None,
            "75324a98d8cdc0df1945ef7bc8e59c5ea5735d5223b74c536713896a145ee40c",
        ),
        (
            replace(FOX, format="webp", compression=80),
            None,
            "2372891336c861d2ab9ab22f1980338c1db8a135fddc7ea309bfe131e816989c",
        ),
        (
            replace(FOX, prompt="赤い狐"),
            DATA_URI,
            "36b8677309bd311b507e99080c058cb93982492cc6c830b93048238db65fcedc",
        ),
        (FOX, Path("upload"), "f33e3d85af283b8d03b8218bfd44007bbfaddc07a21354a1cc8d3e92149f1353"),
    ],
)
async def test_the_digests_in_the_databases_of_earlier_versions_still_match(
    tmp_path: Path, spec: GenerationSpec, image: str | Path | None, digest: str
) -> None:
    if isinstance(image, Path):
        image = tmp_path / image
        await asyncio.to_thread(image.write_bytes, b"the bytes of an upload")
    assert await asyncio.to_thread(order_digest, spec, [image] if image else []) == digest


def test_the_digest_of_an_order_depends_on_its_images_mask_and_parameters() -> None:
    other = f"{DATA_URI}AAAA"
    inputs: list[tuple[list[str | Path], str | None]] = [
        ([], None),
        ([DATA_URI], None),
        ([other], None),
        ([DATA_URI, other], None),
        ([other, DATA_URI], None),
        ([DATA_URI, DATA_URI], None),
        ([DATA_URI, other], DATA_URI),
        ([DATA_URI], DATA_URI),
        ([DATA_URI], other),
    ]
    digests = [order_digest(FOX, images, mask) for images, mask in inputs]
    digests += [order_digest(replace(FOX, parameters={"seed": seed})) for seed in (0, 1)]
    assert len(set(digests)) == len(inputs) + 2
    assert order_digest(replace(FOX, previews=3)) == digests[0]
