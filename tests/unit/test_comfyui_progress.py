"""The progress of a job, read from the frames of a WebSocket."""

import json
import struct
from typing import Any

import pytest

from sora_proxy.upstream.comfyui.progress import JobProgress, read_binary, read_text
from tests.simulated_comfyui import Graph, node, painted, save

JOB, OTHER = "b2a4bd5e-0000-5000-8000-000000000001", "b2a4bd5e-0000-5000-8000-000000000002"
JPEG = b"\xff\xd8 a preview"
# The usual workflow of Flux, as ComfyUI's editor exports it.
FLUX: Graph = {
    "5": node("EmptySD3LatentImage", width=1024, height=1024, batch_size=1),
    "6": node("CLIPTextEncode", text="a fox", clip=["11", 0]),
    "8": node("VAEDecode", samples=["13", 0], vae=["10", 0]),
    "9": save("8"),
    "10": node("VAELoader", vae_name="ae.safetensors"),
    "11": node("DualCLIPLoader", clip_name1="t5xxl_fp16.safetensors", clip_name2="clip_l.safetensors", type="flux"),
    "12": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
    "13": node(
        "SamplerCustomAdvanced",
        noise=["25", 0],
        guider=["22", 0],
        sampler=["16", 0],
        sigmas=["17", 0],
        latent_image=["5", 0],
    ),
    "16": node("KSamplerSelect", sampler_name="euler"),
    "17": node("BasicScheduler", scheduler="simple", steps=20, denoise=1.0, model=["30", 0]),
    "22": node("BasicGuider", model=["30", 0], conditioning=["26", 0]),
    "25": node("RandomNoise", noise_seed=1),
    "26": node("FluxGuidance", guidance=3.5, conditioning=["6", 0]),
    "30": node("ModelSamplingFlux", max_shift=1.15, base_shift=0.5, width=1024, height=1024, model=["12", 0]),
}
LINK = ["1", 0]
SAMPLING = {"model": LINK, "positive": LINK, "negative": LINK, "steps": 20, "cfg": 7.0}
SLOW_NODES = [
    node("KSampler", seed=1, latent_image=LINK, **SAMPLING),
    node("KSamplerAdvanced", noise_seed=1, latent_image=LINK, **SAMPLING),
    node("SamplerCustom", sampler=LINK, sigmas=LINK, latent_image=LINK, noise_seed=1, **SAMPLING),
    node("SamplerCustomAdvanced", noise=LINK, guider=LINK, sampler=LINK, sigmas=LINK, latent_image=LINK),
    node("KSampler (Efficient)", seed=1, latent_image=LINK, optional_vae=LINK, **SAMPLING),
    node("easy fullkSampler", pipe=LINK, steps=20, cfg=8.0, sampler_name="euler", seed=1),
    node("easy kSampler", pipe=LINK, image_output="Preview", link_id=0, save_prefix="ComfyUI"),
    node("WanVideoSampler", model=LINK, image_embeds=LINK, text_embeds=LINK, steps=30, cfg=6.0, seed=1),
    node("UltimateSDUpscale", image=LINK, vae=LINK, upscale_model=LINK, upscale_by=2, seed=1, **SAMPLING),
    node("ImageUpscaleWithModel", upscale_model=LINK, image=LINK),
]
QUICK_NODES = [
    node("KSamplerSelect", sampler_name="euler"),
    node("SamplerEulerAncestral", eta=1.0, s_noise=1.0),
    node("SamplerDPMPP_2M_SDE", solver_type="midpoint", eta=1.0, s_noise=1.0, noise_device="gpu"),
    node("SamplerLCMUpscale", scale_ratio=1.0, scale_steps=-1, upscale_method="bislerp"),
    node("SamplerSASolver", model=LINK, eta=1.0, sde_start_percent=0.2, sde_end_percent=0.8),
    node("ModelSamplingDiscrete", model=LINK, sampling="lcm", zsnr=False),
    node("UpscaleModelLoader", model_name="b.pth"),
    node("LatentUpscale", samples=LINK, upscale_method="nearest-exact", width=8, height=8, crop="disabled"),
    {"class_type": 7, "inputs": None},
]


def frame(kind: str, prompt_id: str = JOB, **data: Any) -> str:
    return json.dumps({"type": kind, "data": {"prompt_id": prompt_id, **data}})


def state(prompt_id: str = JOB, /, **nodes: tuple[float, float, str]) -> str:
    told = {name[1:]: {"value": value, "max": most, "state": word} for name, (value, most, word) in nodes.items()}
    return frame("progress_state", prompt_id, nodes=told)


def preview(prompt_id: str | None = JOB, kind: str = "image/jpeg", content: bytes = JPEG, event: int = 4) -> bytes:
    about = json.dumps({"prompt_id": prompt_id, "image_type": kind}).encode()
    return struct.pack(">II", event, len(about)) + about + content


@pytest.fixture
def jobs() -> dict[str, JobProgress]:
    return {JOB: JobProgress(painted())}


DONE = (1.0, 1.0, "finished")


def test_progress_depends_mostly_on_sampler_steps_and_never_decreases(jobs: dict[str, JobProgress]) -> None:
    job, seen = jobs[JOB], []
    for told in (
        state(n4=(0.0, 1.0, "running")),
        state(n4=DONE),
        state(n4=DONE, n5=DONE, n6=DONE, n7=DONE),
        state(n4=DONE, n5=DONE, n6=DONE, n7=DONE, n3=(1.0, 2.0, "running")),
        state(n4=DONE),  # fewer nodes than before, as after a reconnection
        state(n4=DONE, n5=DONE, n6=DONE, n7=DONE, n3=(2.0, 2.0, "finished")),
        state(n4=DONE, n5=DONE, n6=DONE, n7=DONE, n3=DONE, n8=DONE, n9=DONE),
    ):
        assert read_text(told, jobs)
        seen.append(job.fraction or 0.0)
    assert seen == sorted(seen)
    assert (seen[0], seen[-1]) == (0.0, 1.0)
    assert seen[2] < 0.2
    assert seen[3] - seen[2] > 0.3
    assert seen[5] - seen[3] > 0.3


def test_a_job_ends_with_the_executing_frame_whose_node_is_null(jobs: dict[str, JobProgress]) -> None:
    for told in (frame("executing", node="3"), frame("executing"), frame("execution_success")):
        read_text(told, jobs)
        assert not jobs[JOB].ended.is_set()
    read_text(frame("executing", OTHER, node=None), jobs)
    assert not jobs[JOB].ended.is_set()
    read_text(frame("executing", node=None), jobs)
    assert jobs[JOB].ended.is_set()


def test_progress_does_not_decrease_when_a_node_makes_a_second_pass(jobs: dict[str, JobProgress]) -> None:
    seen = []
    for value in (0.0, 1.0, 2.0, 0.0, 1.0):
        read_text(state(n4=DONE, n3=(value, 2.0, "running")), jobs)
        seen.append(jobs[JOB].fraction or 0.0)
    assert seen[0] < seen[1] < seen[2]
    assert seen[3:] == [seen[2]] * 2


def test_nodes_that_are_missing_from_a_frame_keep_their_progress(jobs: dict[str, JobProgress]) -> None:
    whole = JobProgress(painted())
    half = {"n3": (1.0, 2.0, "running")}
    read_text(state(n4=DONE, n5=DONE, n6=DONE, n7=DONE, **half), {JOB: whole})
    read_text(state(n4=DONE, n5=DONE, n6=DONE, n7=DONE), jobs)
    read_text(state(**half), jobs)
    assert jobs[JOB].fraction == whole.fraction


def test_a_flux_job_shows_little_progress_before_its_first_sampler_step() -> None:
    jobs = {JOB: JobProgress(FLUX)}
    before = {f"n{node_id}": DONE for node_id in FLUX if node_id not in ("8", "9", "13")}
    read_text(state(**before, n13=(0.0, 20.0, "running")), jobs)
    assert 0 < (jobs[JOB].fraction or 0.0) < 0.15
    read_text(state(**before, n13=(10.0, 20.0, "running")), jobs)
    assert 0.45 < (jobs[JOB].fraction or 0.0) < 0.6
    read_text(state(**before, n13=DONE), jobs)
    assert (jobs[JOB].fraction or 0.0) > 0.9


@pytest.mark.parametrize("worker", SLOW_NODES, ids=lambda worker: worker["class_type"])
def test_samplers_and_upscalers_account_for_most_of_the_progress(worker: Graph) -> None:
    others = {str(number): each for number, each in enumerate(QUICK_NODES)}
    jobs = {JOB: JobProgress(others | {"slow": worker})}
    read_text(state(**{f"n{node_id}": DONE for node_id in others}), jobs)
    assert 0 < (jobs[JOB].fraction or 0.0) < 0.15


def test_all_quick_nodes_contribute_equally_to_the_progress() -> None:
    graph = {str(number): each for number, each in enumerate(QUICK_NODES)}
    for node_id in graph:
        jobs = {JOB: JobProgress(graph)}
        read_text(state(**{f"n{node_id}": DONE}), jobs)
        assert jobs[JOB].fraction == pytest.approx(1 / len(graph))


def test_cached_nodes_count_as_finished(jobs: dict[str, JobProgress]) -> None:
    assert read_text(frame("execution_cached", nodes=["4", "5", "6", "7", "3"]), jobs)
    assert jobs[JOB].fraction is None
    read_text(state(n8=(0.0, 1.0, "running")), jobs)
    assert (jobs[JOB].fraction or 0.0) > 0.9


@pytest.mark.parametrize(
    "told",
    [
        state(OTHER, n4=DONE),
        json.dumps({"type": "progress_state", "data": {"nodes": {"4": {"state": "finished"}}}}),
        json.dumps({"type": "executing", "data": {"node": "4"}}),
        json.dumps({"type": "status", "data": None}),
        json.dumps([]),
        "no JSON",
        "[" * 5000,
        state(n4=DONE) + " " * 2**20,
    ],
)
def test_frames_about_other_jobs_and_invalid_frames_are_ignored(jobs: dict[str, JobProgress], told: str) -> None:
    assert not read_text(told, jobs)
    assert jobs[JOB].fraction is None


@pytest.mark.parametrize(
    "nodes",
    [None, [], {"4": None}, {"4": {"state": "running", "value": "1", "max": "x"}}, {"4": {"value": 1, "max": 0}}],
)
def test_unreadable_states_count_as_no_progress(jobs: dict[str, JobProgress], nodes: Any) -> None:
    read_text(frame("progress_state", nodes=nodes), jobs)
    assert not jobs[JOB].fraction


def test_the_latest_preview_of_a_job_is_stored_with_its_number(jobs: dict[str, JobProgress]) -> None:
    for number, kind in enumerate(("jpeg", "png")):
        assert read_binary(preview(kind=f"image/{kind}"), jobs)
        shown = jobs[JOB].preview
        assert shown is not None
        assert (shown.content, shown.format, shown.number) == (JPEG, kind, number)


@pytest.mark.parametrize(
    "told",
    [
        preview(OTHER),
        preview(None),
        preview(kind="text/html"),
        preview(content=b""),
        preview(event=1),
        preview()[:7],
        struct.pack(">II", 4, 2**31) + b"{}",
        struct.pack(">II", 4, 2) + b"[]" + JPEG,
    ],
)
def test_malformed_previews_and_previews_of_other_jobs_are_dropped(jobs: dict[str, JobProgress], told: bytes) -> None:
    assert not read_binary(told, jobs)
    assert jobs[JOB].preview is None
