"""A back end whose answer to an order is the image: there is no task that could be polled later."""

import asyncio
import io
import resource
from pathlib import Path

import pytest
from PIL import Image

from sora_proxy.errors import SubmissionUnknown
from sora_proxy.upstream import Made, Submission
from sora_proxy.upstream.registry import BACKENDS
from tests.contract.conftest import Contract, StartKillable
from tests.contract.script import Step
from tests.contract.test_orders import Start
from tests.contract.toy_server import ToyServer
from tests.contract.toys.synchronous import Synchronous
from tests.eventually import eventually

pytestmark = pytest.mark.parametrize("contract", ["synchronous"], indirect=True)

PIXELS = (1500, 1500)
MAX_FILE_BYTES = 2**20  # enough for the database and the arriving JPEG, but not for the requested PNG


def noise() -> bytes:
    """A JPEG of 0.4 MB that takes more than 2 MB as a PNG."""
    image = io.BytesIO()
    Image.effect_noise(PIXELS, 100).save(image, "JPEG", quality=5)
    return image.getvalue()


def stored_images(folder: Path) -> list[str]:
    return [path.name for path in (folder / "data/images").iterdir()]


async def test_an_overdue_request_ends_as_unknown_and_its_late_answer_changes_nothing(
    start: Start, contract: Contract, tmp_path: Path
) -> None:
    contract.stage.script.pause(Step.arrived)
    async with start(generation_timeout=0.2) as proxy:
        async with proxy.chat(model=contract.model) as answer:
            assert (await answer.json())["error"]["code"] == "outcome_unknown"
            assert answer.headers["x-should-retry"] == "false"
        ended = await proxy.get("/v1/generations")
        contract.stage.script.release()

        async def registered() -> bool:
            return contract.stage.registered == 1

        await eventually(registered)
        assert await proxy.get("/v1/generations") == ended
    async with start() as proxy:
        assert await proxy.get("/v1/generations") == ended
    assert await asyncio.to_thread(stored_images, tmp_path) == []
    assert contract.stage.registered == 1


async def test_images_that_arrived_before_a_kill_are_delivered_after_the_restart(
    contract: Contract, start_killable: StartKillable
) -> None:
    image = await asyncio.to_thread(noise)
    assert isinstance(contract.stage, ToyServer)
    contract.stage.image_of = lambda _prompt: image
    async with start_killable() as server:
        pid = server.program.pid
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, resource.RLIM_INFINITY))
        tool = {"type": "image_generation", "output_format": "png"}
        order = {"model": contract.model, "input": "a red fox", "background": True, "tools": [tool]}
        async with server.client.post(f"{server.program.url}/v1/responses", json=order) as answer:
            assert answer.status == 200, await answer.text()
            generation_id = answer.headers["x-generation-id"]

        async def waits_for_room() -> bool:
            return "storage unavailable, retrying" in await asyncio.to_thread(lambda: server.program.log)

        await eventually(waits_for_room)
        await server.kill()
    async with start_killable() as server:
        ended = await server.ended(generation_id)
        assert ended["status"] == "completed"
        async with server.client.get(ended["pictures"][0]) as answer:
            with Image.open(io.BytesIO(await answer.read())) as shown:
                assert (shown.format, shown.size) == ("PNG", PIXELS)
    assert contract.stage.registered == 1


class HalfWritten(Synchronous):
    """A back end that writes the image of an order and then loses the rest of the answer."""

    async def submit(self, submission: Submission) -> Made:  # type: ignore[override]
        await super().submit(submission)
        raise SubmissionUnknown("the rest did not come")


async def test_an_order_of_unknown_outcome_leaves_no_image_file(
    start: Start, contract: Contract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BACKENDS, "synchronous", HalfWritten)
    async with start() as proxy, proxy.chat(model=contract.model) as answer:
        assert (await answer.json())["error"]["code"] == "outcome_unknown"
        assert await asyncio.to_thread(stored_images, tmp_path) == []
