"""The graph of an order, the models of a ComfyUI server, and the problems of workflows on a server."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sora_proxy.errors import RequestFault
from sora_proxy.settings.accounts import Account
from sora_proxy.spec import GenerationSpec
from sora_proxy.upstream import InputImage, Submission
from sora_proxy.upstream.comfyui.graphs import fitted, graph_for, models_of
from sora_proxy.upstream.comfyui.problems import problems_of
from sora_proxy.upstream.comfyui.workflows import Graph, Workflow, WorkflowFolder
from tests.submission import report

SEED = 123
GRAPH: Graph = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20, "cfg": 7.5, "latent_image": ["5", 0]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "mine.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
    "7": {"class_type": "KSamplerAdvanced", "inputs": {"noise_seed": 1, "steps": 9, "latent_image": ["3", 0]}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["7", 0]}},
}
CHOICES = ["other.safetensors", "sd_xl_base.safetensors", "sd_xl_turbo.safetensors", "odd[1].safetensors"]
INFO: dict[str, Any] = {
    "KSampler": {
        "input": {
            "required": {
                "seed": ["INT", {"min": 0, "max": 2**64 - 1}],
                "steps": ["INT", {}],
                "cfg": ["FLOAT", {}],
                "latent_image": ["LATENT"],
            }
        }
    },
    "KSamplerAdvanced": {"input": {"required": {"noise_seed": ["INT", {"max": 2**64 - 1}]}, "optional": {}}},
    "CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": [CHOICES, {"tooltip": "…"}]}}},
    "EmptyLatentImage": {
        "input": {"required": {"width": ["INT", {"step": 16, "max": 2048}], "height": ["INT", {"step": 8}]}}
    },
    "CLIPTextEncode": {"input": {"required": {"text": ["STRING", {"multiline": True}], "clip": ["CLIP"]}}},
    "SaveImage": {"input": {"required": {"images": ["IMAGE"]}, "hidden": {"prompt": "PROMPT"}}},
}


def workflow_of(folder: Path, mapping: dict[str, Any], graph: Graph | None = None) -> Workflow:
    (folder / "flux.json").write_text(json.dumps(graph or GRAPH))
    (folder / "flux.map.json").write_text(json.dumps({"prompt": "6.text"} | mapping))
    workflows = WorkflowFolder(folder)
    workflows.read()
    assert dict(workflows.faults) == {}
    return workflows.workflows["flux"]


def problems_on(workflow: Workflow, object_info: dict[str, Any]) -> str | None:
    return problems_of(fitted(workflow, object_info), object_info)


def submission(model: str = "flux", prompt: str = "a fox", **fields: Any) -> Submission:
    images, masked = fields.pop("images", ()), fields.pop("mask", None)
    size, n, parameters = fields.pop("size", (832, 1216)), fields.pop("n", 1), fields
    spec = GenerationSpec(model, prompt, n=n, width=size[0], height=size[1])
    references = [InputImage(Path(f"{name}.png"), name) for name in images]
    mask = InputImage(Path("mask.png"), masked) if masked else None
    return Submission(spec, Account("id", ""), model, n, "attempt", parameters, references, mask, Path, report)


def inputs(workflow: Workflow, order: Submission, node: str = "3") -> Mapping[str, Any]:
    graph = graph_for({workflow.name: workflow}, order, SEED)
    found: Mapping[str, Any] = graph[node]["inputs"]
    return found


@pytest.fixture
def package() -> Mapping[str, Workflow]:
    workflows = WorkflowFolder(None)
    workflows.read()
    return workflows.workflows


# --- The graph of an order --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "prompt", ['a "sign"\n\\n %seed% {{x}}', "", "雪里的红狐 🦊\u2028\\u0041", '["4", 1]', "(fox:1.2) [a|b] \x00\r\n\t"]
)
def test_the_prompt_is_written_to_its_input_unchanged(tmp_path: Path, prompt: str) -> None:
    found = inputs(workflow_of(tmp_path, {}), submission(prompt=prompt), "6")
    assert found == {"text": prompt, "clip": ["4", 1]}


def test_a_number_is_written_to_every_input_to_which_its_field_is_mapped(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path, {"seed": ["3.seed", "7.noise_seed"], "steps": ["3.steps", "7.steps"]})
    graph = graph_for({"flux": workflow}, submission(seed=5, steps=4), SEED)
    assert [graph["3"]["inputs"][name] for name in ("seed", "steps")] == [5, 4]
    assert [graph["7"]["inputs"][name] for name in ("noise_seed", "steps")] == [5, 4]


def test_an_input_that_is_unmapped_or_not_set_keeps_its_value_from_the_workflow_file(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path, {"steps": "3.steps"})
    graph = graph_for({"flux": workflow}, submission(guidance_scale=1.0), SEED)
    expected = copy.deepcopy(GRAPH)
    expected["6"]["inputs"]["text"] = "a fox"
    assert graph == expected


def test_size_count_and_guidance_are_written_to_their_inputs(tmp_path: Path) -> None:
    mapping = {"width": "5.width", "height": "5.height", "count": "5.batch_size", "guidance_scale": "3.cfg"}
    graph = graph_for({"flux": workflow_of(tmp_path, mapping)}, submission(n=3, guidance_scale=2.5), SEED)
    assert graph["5"]["inputs"] == {"width": 832, "height": 1216, "batch_size": 3}
    assert graph["3"]["inputs"]["cfg"] == 2.5


@pytest.mark.parametrize(
    ("given", "max_seed", "expected"),
    [
        ({}, 2**64 - 1, SEED),
        ({"seed": 0}, 2**64 - 1, 0),
        ({"seed": 2**63 - 1}, 2**64 - 1, 2**63 - 1),
        ({"seed": -1}, 2**64 - 1, SEED),
        ({"seed": 2**32 + 7}, 2**32 - 1, 7),
        ({}, 99, SEED - 100),
    ],
    ids=str,
)
def test_an_order_always_has_a_seed_that_the_node_accepts(
    tmp_path: Path, given: dict[str, Any], max_seed: int, expected: int
) -> None:
    workflow = replace(workflow_of(tmp_path, {"seed": "3.seed"}), max_seed=max_seed)
    assert inputs(workflow, submission(**given))["seed"] == expected


def test_an_order_does_not_change_the_workflow(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path, {"seed": "3.seed", "image": ["6.text"]})
    graph = graph_for({"flux": workflow}, submission(images=["a"]), SEED)
    graph["9"]["inputs"].clear()
    assert dict(workflow.graph) == GRAPH


# --- Images and masks -------------------------------------------------------------------------------------------------


def loader(name: str) -> dict[str, Any]:
    return {"class_type": "LoadImage", "inputs": {"image": name}}


EDIT: Graph = GRAPH | {
    "10": loader("one.png"),
    "11": loader("two.png"),
    "12": loader("three.png"),
    "13": {"class_type": "Edit", "inputs": {"image1": ["10", 0], "image2": ["11", 0], "image3": ["12", 0]}},
}
IMAGES = ["10.image", "11.image", "12.image"]


@pytest.mark.parametrize("images", [["a"], ["a", "b"], ["a", "b", "c"]], ids=len)
def test_each_reference_image_is_written_to_its_own_input_and_unused_nodes_are_removed(
    tmp_path: Path, images: Sequence[str]
) -> None:
    workflow = workflow_of(tmp_path, {"image": IMAGES}, EDIT)
    graph = graph_for({"flux": workflow}, submission(images=images), SEED)
    loaded = {node: graph[node]["inputs"]["image"] for node in ("10", "11", "12") if node in graph}
    assert loaded == dict(zip(("10", "11", "12"), images, strict=False))
    assert list(graph["13"]["inputs"]) == ["image1", "image2", "image3"][: len(images)]


def test_an_order_without_a_needed_image_or_mask_is_refused(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path, {"image": IMAGES, "mask": "11.image"}, EDIT)
    for order, words in (
        (submission(), "flux needs a reference image"),
        (submission(images=["a"]), "flux needs a mask"),
    ):
        with pytest.raises(RequestFault, match=words) as caught:
            graph_for({"flux": workflow}, order, SEED)
        assert caught.value.code == "order_refused"


def test_orders_with_reference_images_or_a_mask_use_the_workflows_for_edits(
    package: Mapping[str, Workflow],
) -> None:
    text = graph_for(package, submission("text-to-image", strength=0.4), SEED)
    edit = graph_for(package, submission("text-to-image", images=["a"], strength=0.4), SEED)
    masked = graph_for(package, submission("text-to-image", images=["a"], mask="m", strength=0.4), SEED)
    assert [graph["9"]["inputs"]["filename_prefix"] for graph in (text, edit, masked)] == [
        "sora_proxy/text-to-image",
        "sora_proxy/image-to-image",
        "sora_proxy/inpaint",
    ]
    assert [graph["3"]["inputs"]["denoise"] for graph in (text, edit, masked)] == [1.0, 0.4, 0.4]
    assert (edit["10"]["inputs"]["image"], masked["14"]["inputs"]["image"]) == ("a", "m")


# --- Models -----------------------------------------------------------------------------------------------------------


def test_a_workflow_is_a_model_and_so_is_each_checkpoint_that_its_map_lists(tmp_path: Path) -> None:
    mapping = {"checkpoint": "4.ckpt_name", "checkpoints": ["odd[1].safetensors", "sd_xl*"]}
    workflow = workflow_of(tmp_path, mapping)
    assert list(models_of({"flux": workflow})) == ["flux"]  # the files of a server are unknown until it has answered
    on_server = fitted(workflow, INFO)
    names = ["odd[1].safetensors", "sd_xl_base.safetensors", "sd_xl_turbo.safetensors"]
    assert list(models_of({"flux": on_server})) == ["flux", *(f"flux/{name}" for name in names)]
    order = submission("flux/sd_xl_turbo.safetensors")
    assert inputs(on_server, order, "4") == {"ckpt_name": "sd_xl_turbo.safetensors"}


def test_a_missing_checkpoint_is_replaced_by_the_first_match_for_the_patterns_in_the_map(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path, {"checkpoint": "4.ckpt_name", "checkpoints": ["sd_xl_t*", "*"]})
    assert inputs(fitted(workflow, INFO), submission(), "4") == {"ckpt_name": "sd_xl_turbo.safetensors"}
    info = copy.deepcopy(INFO)
    info["CheckpointLoaderSimple"]["input"]["required"]["ckpt_name"][0].append("mine.safetensors")
    assert inputs(fitted(workflow, info), submission(), "4") == {"ckpt_name": "mine.safetensors"}
    assert inputs(workflow, submission(), "4") == {"ckpt_name": "mine.safetensors"}


@pytest.mark.parametrize("model", ["gone", "flux/gone.safetensors", "flux/other.safetensors"])
def test_an_order_for_a_missing_workflow_or_checkpoint_fails_with_model_unavailable(tmp_path: Path, model: str) -> None:
    mapping = {"checkpoint": "4.ckpt_name", "checkpoints": ["sd_xl*"]}
    with pytest.raises(RequestFault) as caught:
        graph_for({"flux": fitted(workflow_of(tmp_path, mapping), INFO)}, submission(model), SEED)
    assert caught.value.code == "model_unavailable"


def test_an_edit_uses_the_chosen_checkpoint_or_is_refused(package: Mapping[str, Workflow]) -> None:
    text = replace(package["text-to-image"], available=("a.safetensors", "b.safetensors"))
    edit = replace(package["image-to-image"], available=("b.safetensors",))
    fixed = replace(edit, slots={name: places for name, places in edit.slots.items() if name != "checkpoint"})
    for editing, takes in ((edit, [True, False, True]), (fixed, [True, True, True])):
        workflows = {text.name: text, edit.name: editing}
        names = ["text-to-image", "text-to-image/a.safetensors", "text-to-image/b.safetensors"]
        assert [models_of(workflows)[name].max_references > 0 for name in names] == takes
    order = submission("text-to-image/b.safetensors", images=["x"])
    assert graph_for({text.name: text, edit.name: edit}, order, SEED)["4"]["inputs"] == {"ckpt_name": "b.safetensors"}
    with pytest.raises(RequestFault, match="checkpoint"):
        graph_for({text.name: text, edit.name: edit}, submission("text-to-image/a.safetensors", images=["x"]), SEED)


def test_an_image_for_which_the_workflow_has_no_input_is_refused(package: Mapping[str, Workflow]) -> None:
    only_text = {"text-to-image": package["text-to-image"]}
    without_masks = only_text | {"image-to-image": package["image-to-image"]}
    for workflows, fields in ((only_text, {}), (without_masks, {"mask": "m"}), (package, {"images": ["x", "y"]})):
        with pytest.raises(RequestFault, match="accepts no further"):
            graph_for(workflows, submission("text-to-image", **{"images": ["x"]} | fields), SEED)


def test_a_workflow_for_edits_does_not_limit_orders_without_a_reference_image(tmp_path: Path) -> None:
    graph = GRAPH | {"10": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}}
    sized = {"width": "5.width", "height": "5.height", "steps": "3.steps", "count": "5.batch_size"}
    text = workflow_of(tmp_path, sized | {"with_reference": "upscale"})
    edit = replace(workflow_of(tmp_path, {"image": "10.image"}, graph), name="upscale")
    can = models_of({"flux": text, "upscale": edit})["flux"]
    plain, with_reference = (submission(n=3, steps=5, images=images).spec for images in ((), ("x",)))
    assert [can.can_make(replace(spec, n=3)) for spec in (plain, replace(plain, images=("x",)))] == [True, False]
    ordered = [replace(spec, parameters={"steps": 5}) for spec in (plain, replace(with_reference, images=("x",)))]
    assert [can.for_order(spec).ignored(spec) for spec in ordered] == [(), ("steps", "size")]


def test_checkpoints_whose_names_cannot_be_model_names_are_left_out(tmp_path: Path) -> None:
    workflow = workflow_of(tmp_path, {"checkpoint": "4.ckpt_name", "checkpoints": ["*"]})
    names = ("a\nb", "x" * 200, "sub\\dir.safetensors", "sub/dir.safetensors")
    assert list(models_of({"flux": replace(workflow, available=names)})) == [
        "flux",
        "flux/sub\\dir.safetensors",
        "flux/sub/dir.safetensors",
    ]


def test_a_model_has_the_abilities_of_its_map_and_of_the_workflows_for_edits(package: Mapping[str, Workflow]) -> None:
    models = models_of(package)
    can = models["text-to-image"]
    assert (can.max_images, can.max_references, can.masks) == (4, 1, True)
    assert can.parameters == ("seed", "steps", "guidance_scale", "negative_prompt")
    assert can.edits
    assert can.edits.parameters == ("seed", "steps", "guidance_scale", "strength", "negative_prompt")
    without = models_of({"text-to-image": package["text-to-image"]})["text-to-image"]
    assert (without.max_references, without.masks) == (0, False)
    assert without.parameters == ("seed", "steps", "guidance_scale", "negative_prompt")
    upscale = models["upscale"]
    assert (upscale.max_images, upscale.max_references, upscale.masks, upscale.parameters) == (1, 1, False, ())


@pytest.mark.parametrize(
    ("mapping", "wanted", "made"),
    [
        ({}, (1000, 1000), (1008, 1008)),  # the node on the server takes multiples of 16
        ({}, (4096, 4096), (2048, 2048)),
        ({}, (10, 10), (64, 64)),
        ({"size_step": 64}, (1000, 1000), (1024, 1024)),
        ({"sizes": ["1024x1024", "832x1216"]}, (100, 150), (832, 1216)),
        ({"sizes": ["1024x1024", "832x1216"]}, None, (1024, 1024)),
    ],
    ids=str,
)
def test_sizes_come_from_the_map_or_else_respect_the_limits_of_the_node(
    tmp_path: Path, mapping: dict[str, Any], wanted: tuple[int, int] | None, made: tuple[int, int]
) -> None:
    workflow = fitted(workflow_of(tmp_path, {"width": "5.width", "height": "5.height"} | mapping), INFO)
    assert models_of({"flux": workflow})["flux"].size_for(wanted) == made


def test_the_limits_of_a_node_apply_to_orders(tmp_path: Path) -> None:
    info = copy.deepcopy(INFO)
    info["EmptyLatentImage"]["input"]["required"]["batch_size"] = ["INT", {"max": 2}]
    info["KSampler"]["input"]["required"]["seed"][1]["max"] = 2**32 - 1
    workflow = fitted(workflow_of(tmp_path, {"seed": "3.seed", "count": "5.batch_size"}), info)
    assert (workflow.max_images, workflow.max_seed) == (2, 2**32 - 1)


# --- Problems of workflows --------------------------------------------------------------------------------------------


def without(class_type: str) -> dict[str, Any]:
    return {name: info for name, info in INFO.items() if name != class_type}


def with_choices(config: list[Any]) -> dict[str, Any]:
    return INFO | {"CheckpointLoaderSimple": {"input": {"required": {"ckpt_name": config}}}}


MISSING = "node 4 (CheckpointLoaderSimple): the server has no 'mine.safetensors' for 'ckpt_name'; it has "


@pytest.mark.parametrize(
    ("info", "problem"),
    [
        (with_choices([["mine.safetensors"]]), None),
        (with_choices(["COMBO", {"options": ["mine.safetensors"]}]), None),
        (with_choices(["COMBO", {"remote": {"route": "/x"}}]), None),
        (with_choices([["a.safetensors"], {"image_upload": True}]), None),
        (with_choices(["STRING", {}]), None),
        (INFO, MISSING + ", ".join(CHOICES)),
        (with_choices([["a", "b"]]), MISSING + "a, b"),
        (with_choices(["COMBO", {"options": ["a", "b"], "multiselect": False}]), MISSING + "a, b"),
        (with_choices([[]]), MISSING + "none"),
        (
            without("KSamplerAdvanced"),
            "the server has no node 'KSamplerAdvanced': install the custom nodes, or update ComfyUI",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_node_class_or_file_that_the_server_lacks_is_reported(
    tmp_path: Path, info: dict[str, Any], problem: str | None
) -> None:
    told = problems_on(workflow_of(tmp_path, {}), info)
    assert told is None if problem is None else problem in str(told)


def test_an_input_that_the_server_would_always_refuse_is_reported(tmp_path: Path) -> None:
    info = copy.deepcopy(with_choices([["mine.safetensors"]]))
    info["CheckpointLoaderSimple"]["output"] = ["MODEL", "CLIP", "VAE"]
    graph = copy.deepcopy(GRAPH)
    graph["5"]["inputs"]["width"] = 100_000
    graph["6"]["inputs"]["clip"] = ["4", 3]
    told = str(problems_on(workflow_of(tmp_path, {}, graph), info))
    assert "node 5 (EmptyLatentImage): 'width' is 100000, but the server's limits are None and 2048" in told
    assert (
        "node 6 (CLIPTextEncode): 'clip' is linked to output 3 of node 4 (CheckpointLoaderSimple), which has 3" in told
    )
    sized = {"width": "5.width", "height": "5.height", "sizes": ["512x512", "9999x512"]}
    told = str(problems_on(workflow_of(tmp_path, sized, graph), info))
    assert "'width' is" not in told
    assert "sizes: 9999x512 exceed the server's maximum of 2048 pixels a side" in told


def test_an_input_that_a_newer_version_of_a_node_needs_is_reported(tmp_path: Path) -> None:
    info = copy.deepcopy(with_choices([["mine.safetensors"]]))
    info["SaveImage"]["input"]["required"] |= {"quality": ["INT", {}], "more": ["COMFY_AUTOGROW_V3", {}]}
    told = problems_on(workflow_of(tmp_path, {}), info)
    assert told == (
        "node 9 (SaveImage) has no input 'quality', which the server needs: export the workflow again from this ComfyUI"
    )


@pytest.mark.parametrize(
    ("description", "saves"),
    [
        ({"input": {"required": {"images": ["IMAGE"]}}, "output_node": True}, True),
        ({"input": {"required": {"samples": ["LATENT"]}, "optional": {"image": ["IMAGE"]}}, "output_node": True}, True),
        ({"input": {"required": {"pipe": ["PIPE_LINE"]}}, "output_node": True}, True),
        ({"input": {"required": {"images": ["IMAGE"]}}, "output_node": False}, False),
        ({"input": {"required": {"samples": ["LATENT"], "prefix": ["STRING"]}}, "output_node": True}, False),
        ({"input": {"required": {"video": ["VIDEO", {}]}}, "output_node": True}, False),
    ],
)
def test_an_output_node_that_saves_no_images_is_reported(tmp_path: Path, description: Any, saves: bool) -> None:
    graph = GRAPH | {"9": {"class_type": "Saves", "inputs": dict.fromkeys(description["input"]["required"], "x")}}
    info = with_choices([["mine.safetensors"]]) | {"Saves": description}
    told = problems_on(workflow_of(tmp_path, {"output": "9"}, graph), info)
    assert told == (None if saves else "output: node 9 (Saves) saves no images: choose a node that does")


def test_a_missing_checkpoint_is_not_reported_if_the_map_lists_another_checkpoint(tmp_path: Path) -> None:
    mapping = {"checkpoint": "4.ckpt_name", "checkpoints": ["sd_xl*"]}
    assert problems_on(workflow_of(tmp_path, mapping), INFO) is None
    told = problems_on(workflow_of(tmp_path, mapping), with_choices([["a"]]))
    assert told == MISSING + "a"


@pytest.mark.parametrize(
    "described", [None, 5, [], {}, {"input": None}, {"input": {"required": []}}, {"input": {"required": {"text": 5}}}]
)
def test_a_node_class_is_not_checked_if_its_description_cannot_be_understood(tmp_path: Path, described: Any) -> None:
    info = with_choices([["mine.safetensors"]]) | {"CLIPTextEncode": described, "EmptyLatentImage": described}
    mapping = {"width": "5.width", "height": "5.height", "count": "5.batch_size"}
    workflow = workflow_of(tmp_path, mapping)
    assert problems_on(workflow, info) is None
    assert fitted(workflow, info) == workflow


def test_an_order_without_a_size_gets_the_size_of_the_workflow_file(tmp_path: Path) -> None:
    sized = {"width": "5.width", "height": "5.height"}
    assert models_of({"flux": workflow_of(tmp_path, sized)})["flux"].size_for(None) == (512, 512)
    assert models_of({"flux": workflow_of(tmp_path, sized)})["flux"].size_for((768, 1024)) == (768, 1024)
    odd = copy.deepcopy(GRAPH)
    odd["5"]["inputs"] |= {"width": 512.0, "height": 640.0}
    assert models_of({"flux": workflow_of(tmp_path, sized, odd)})["flux"].size_for(None) == (512, 640)
    listed = workflow_of(tmp_path, sized | {"sizes": ["256x320"]})
    assert models_of({"flux": listed})["flux"].size_for(None) == (256, 320)
    assert models_of({"flux": workflow_of(tmp_path, {})})["flux"].size_for(None) == (1024, 1024)


def test_the_checkpoint_in_the_workflow_file_is_used_if_the_server_has_it(tmp_path: Path) -> None:
    mapping = {"checkpoint": "4.ckpt_name", "checkpoints": ["sd_xl*"]}
    for own, used in (("other.safetensors", "other.safetensors"), ("gone.safetensors", "sd_xl_base.safetensors")):
        graph = copy.deepcopy(GRAPH)
        graph["4"]["inputs"]["ckpt_name"] = own
        on_server = fitted(workflow_of(tmp_path, mapping, graph), INFO)
        assert on_server.graph["4"]["inputs"]["ckpt_name"] == used
