"""The workflows of the package, and their requirements, tested with the simulated ComfyUI."""

import asyncio
import io
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sora_proxy.settings.accounts import Account
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream import InputImage, Submission
from sora_proxy.upstream.comfyui.graphs import fitted, graph_for, models_of
from sora_proxy.upstream.comfyui.problems import problems_of
from sora_proxy.upstream.comfyui.workflows import PACKAGED, Workflow, WorkflowFolder
from tests.simulated_comfyui import CHECKPOINT, UPSCALER, VERSIONS, SimulatedComfyUI, simulated
from tests.simulated_images import png
from tests.submission import report

REFERENCE = InputImage(Path("reference.png"), "")
PROMPT = 'a "fox"\n\\n {{x}}'


@pytest.fixture(params=VERSIONS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[SimulatedComfyUI]:
    async with simulated(request.param, checkpoints=f"{CHECKPOINT},b.safetensors") as server:
        yield server


async def workflows() -> Mapping[str, Workflow]:
    folder = WorkflowFolder(None)
    await asyncio.to_thread(folder.read)
    return folder.workflows


async def on(server: SimulatedComfyUI) -> Mapping[str, Workflow]:
    """The workflows that a server can run, adapted to the server."""
    info = await server.get("/object_info")
    fitting = {name: fitted(each, info) for name, each in (await workflows()).items()}
    return {name: each for name, each in fitting.items() if not problems_of(each, info)}


async def uploaded(server: SimulatedComfyUI, name: str) -> InputImage:
    answer = await server.upload(png("red", (64, 32)), name)
    return replace(REFERENCE, upload_id=answer.json["name"])


def submission(model: str, *images: InputImage, mask: InputImage | None = None, n: int = 2) -> Submission:
    spec = GenerationSpec(model, PROMPT, n=n, width=128, height=64)
    return Submission(spec, Account("id", ""), model, n, "attempt", {"steps": 2}, images, mask, Path, report)


async def images(server: SimulatedComfyUI, order: Submission) -> list[tuple[int, int]]:
    """The sizes of the images that a server makes for an order."""
    runnable = await on(server)
    entry = await server.done(graph_for(runnable, order, 5))
    assert entry["status"]["status_str"] == "success"
    (output,) = entry["outputs"].values()
    contents = [await server.image(entry, number) for number in range(len(output["images"]))]
    return [Image.open(io.BytesIO(content)).size for content in contents]


async def test_every_workflow_of_the_package_runs_on_every_version_of_comfyui(server: SimulatedComfyUI) -> None:
    first, mask = await uploaded(server, "a.png"), await uploaded(server, "mask.png")
    assert await images(server, submission("text-to-image")) == [(128, 64)] * 2
    assert await images(server, submission("text-to-image/b.safetensors", first)) == [(128, 64)] * 2
    assert await images(server, submission("image-to-image", first)) == [(128, 64)] * 2
    assert await images(server, submission("text-to-image", first, mask=mask)) == [(128, 64)] * 2
    (size,) = await images(server, submission("upscale", first, n=1))
    assert size[0] > 64


async def test_each_workflow_gives_one_model_for_each_checkpoint_of_the_server(server: SimulatedComfyUI) -> None:
    assert list(models_of(await on(server))) == [
        *(f"{name}{end}" for name in ("text-to-image", "image-to-image", "inpaint") for end in ("", *ENDS)),
        "upscale",
        f"upscale/{UPSCALER}",
    ]


ENDS = (f"/{CHECKPOINT}", "/b.safetensors")


async def test_a_prompt_arrives_unchanged(server: SimulatedComfyUI) -> None:
    runnable = await on(server)
    entry = await server.done(graph_for(runnable, submission("text-to-image"), 5))
    graph: dict[str, Any] = entry["prompt"][2]
    assert graph["6"]["inputs"]["text"] == PROMPT
    assert (graph["3"]["inputs"]["seed"], graph["4"]["inputs"]["ckpt_name"]) == (5, CHECKPOINT)


@pytest.mark.parametrize("version", VERSIONS)
async def test_the_server_refuses_a_checkpoint_that_is_reported_as_missing(version: str) -> None:
    async with simulated(version, checkpoints="", upscale_models="") as server:
        info = await server.get("/object_info")
        for name, workflow in (await workflows()).items():
            problem = problems_of(fitted(workflow, info), info)
            field = "model_name" if name == "upscale" else "ckpt_name"
            assert f"the server has no '{own_checkpoint(workflow)}' for '{field}'; it has none" in str(problem)
        order = submission("text-to-image")
        refused = await server.call("POST", "/prompt", json={"prompt": graph_for(await workflows(), order, 5)})
        assert refused.status == 400
        assert "value_not_in_list" in refused.body.decode()


def own_checkpoint(workflow: Workflow) -> str:
    ((node, name),) = workflow.slots["checkpoint"]
    return str(workflow.graph[node]["inputs"][name])


def with_lora(folder: Path, **mapping: Any) -> Workflow:
    """The package's text-to-image workflow with a LoRA between checkpoint and sampler."""
    graph = json.loads((PACKAGED / "text-to-image.json").read_text())
    loader = {"model": ["4", 0], "clip": ["4", 1], "strength_model": 1.0, "strength_clip": 1.0}
    graph["20"] = {"class_type": "LoraLoader", "inputs": {"lora_name": "style.safetensors", **loader}}
    graph["3"]["inputs"]["model"] = ["20", 0]
    (folder / "styled.json").write_text(json.dumps(graph))
    (folder / "styled.map.json").write_text(json.dumps({"prompt": "6.text", "checkpoint": "4.ckpt_name"} | mapping))
    workflows = WorkflowFolder(folder)
    workflows.read()
    assert dict(workflows.faults) == {}
    return workflows.workflows["styled"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_loras_are_checked_against_the_list_of_the_server(tmp_path: Path, version: str) -> None:
    own = await asyncio.to_thread(with_lora, tmp_path, checkpoints=["*"])
    choosing = await asyncio.to_thread(with_lora, tmp_path, checkpoint="20.lora_name", checkpoints=["st*", "ink*"])
    loras = "ink.safetensors,style.safetensors,other.safetensors"
    async with simulated(version, loras=loras) as able, simulated(version, loras="other.safetensors") as unable:
        infos = [await server.get("/object_info") for server in (able, unable)]
    problems = [str(problems_of(fitted(own, info), info)) for info in infos]
    missing = "node 20 (LoraLoader): the server has no 'style.safetensors' for 'lora_name'; it has other.safetensors"
    assert [missing in problem for problem in problems] == [False, True]
    models = list(models_of({"styled": fitted(choosing, infos[0])}))
    assert models == ["styled", "styled/style.safetensors", "styled/ink.safetensors"]
