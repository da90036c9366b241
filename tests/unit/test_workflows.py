"""Workflow files: which files are read, when files are read again, and the messages about unusable files."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sora_proxy.upstream.comfyui.workflows import FOLDER, PACKAGED, Workflow, WorkflowFolder

PACKAGE = ["text-to-image", "image-to-image", "inpaint", "upscale"]
GRAPH: dict[str, Any] = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 1, "steps": 20, "cfg": 7.0, "positive": ["6", 0]}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a cat", "clip": ["4", 1]}},
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512, "height": 512, "batch_size": 1}},
    "9": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "ComfyUI"}},
    "10": {"class_type": "LoadImage", "inputs": {"image": "example.png"}},
    "12": {"class_type": "PreviewImage", "inputs": {"images": ["3", 0]}},
}
MAP = {"prompt": "6.text"}
EDITORS = {"nodes": [{"id": 3, "type": "KSampler"}], "links": [[1, 3, 0, 4, 0, "MODEL"]], "version": 0.4}
NO_GRAPH = "flux.json: does not contain a workflow in the API format"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A function that writes the two files of a workflow. A text is written as it is, other values as JSON."""

    def write(name: str = "flux", graph: Any = GRAPH, mapping: Any = MAP) -> Path:
        for ending, content in ((".json", graph), (".map.json", mapping)):
            if content is not None:
                text = content if isinstance(content, str) else json.dumps(content)
                (tmp_path / (name + ending)).write_text(text)
        return tmp_path

    return write


def read(folder: Path | None) -> WorkflowFolder:
    workflows = WorkflowFolder(folder)
    assert workflows.read()
    return workflows


def workflow(folder: Path, name: str = "flux") -> Workflow:
    workflows = read(folder)
    assert dict(workflows.faults) == {}
    return workflows.workflows[name]


def fault(folder: Path, name: str = "flux") -> str:
    workflows = read(folder)
    assert list(workflows.faults) == [name]
    assert name not in workflows.workflows
    return workflows.faults[name]


# --- Files that are read ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", [None, Path("nothing/there")])
def test_there_is_a_built_in_workflow_for_each_kind_of_order(folder: Path | None) -> None:
    workflows = read(folder)
    assert list(workflows.workflows) == PACKAGE
    assert dict(workflows.faults) == {}
    text, image, inpaint, upscale = workflows.workflows.values()
    assert (text.with_reference, image.with_mask) == ("image-to-image", "inpaint")
    assert ["mask" in each.slots for each in (text, image, inpaint, upscale)] == [False, False, True, False]


def test_the_folder_of_built_in_workflows_contains_no_other_files() -> None:
    assert sorted(path.name for path in PACKAGED.iterdir()) == sorted(
        name + ending for name in PACKAGE for ending in (".json", ".map.json")
    )


def test_workflows_of_the_operator_are_listed_first_and_workflows_for_edits_last(write: Write) -> None:
    write("zebra")
    folder = write("an-edit", mapping=MAP | {"image": ["10.image"]})
    assert list(read(folder).workflows) == ["zebra", "text-to-image", "an-edit", *PACKAGE[1:]]


def test_a_file_replaces_the_built_in_file_of_the_same_name(write: Write) -> None:
    folder = write("text-to-image")
    assert workflow(folder, "text-to-image").graph == GRAPH
    (folder / "text-to-image.json").unlink()
    (folder / "text-to-image.map.json").write_text('{"prompt": "7.text", "output": "9", "sizes": ["512x512"]}')
    changed = workflow(folder, "text-to-image")
    assert (changed.graph["4"]["class_type"], changed.sizes) == ("CheckpointLoaderSimple", ((512, 512),))
    assert dict(changed.slots) == {"prompt": (("7", "text"),)}


def test_a_workflow_can_be_switched_off(write: Write) -> None:
    write("image-to-image", None, {"enabled": False})
    folder = write("flux", None, {"enabled": False})
    workflows = read(folder)
    assert list(workflows.workflows) == ["text-to-image", "inpaint", "upscale"]
    assert dict(workflows.faults) == {}


def test_files_that_are_not_workflows_are_not_read(write: Write) -> None:
    folder = write()
    for name in (".hidden.json", "notes.txt", "flux.json~", "flux.png"):
        (folder / name).write_text("{")
    assert list(read(folder).workflows) == ["flux", *PACKAGE]


def test_a_byte_order_mark_is_accepted(write: Write) -> None:
    assert workflow(write(graph="\ufeff" + json.dumps(GRAPH), mapping="\ufeff" + json.dumps(MAP))).graph == GRAPH


def test_the_built_in_workflows_are_used_if_the_operators_folder_cannot_be_read(tmp_path: Path) -> None:
    file = tmp_path / "workflows"
    file.write_text("")
    workflows = read(file)
    assert dict(workflows.faults) == {FOLDER: f"{file} can't be read: Not a directory"}
    assert list(workflows.workflows) == PACKAGE
    assert not workflows.read()
    file.unlink()
    assert workflows.read()
    assert dict(workflows.faults) == {}


# --- Files that are read again ----------------------------------------------------------------------------------------


def test_only_files_that_changed_are_read_again(write: Write) -> None:
    write("a")
    folder = write("b")
    workflows = read(folder)
    assert not workflows.read()
    before = workflows.workflows
    os.utime(write("a", mapping={"prompt": "4.ckpt_name"}) / "a.map.json", ns=(0, 1))
    os.utime(folder / "b.map.json", ns=(0, 2))
    assert workflows.read()
    assert workflows.workflows["a"].slots == {"prompt": (("4", "ckpt_name"),)}
    assert before["a"].slots == {"prompt": (("6", "text"),)}
    graphs = [every["text-to-image"].graph for every in (before, workflows.workflows)]
    assert graphs[0]["3"] is graphs[1]["3"]  # the unchanged file was not read again
    assert not workflows.read()


def test_a_file_is_read_again_after_an_edit_that_does_not_change_its_size(write: Write) -> None:
    workflows = read(write(mapping={"prompt": "6.text", "output": "3"}))
    os.utime(write(mapping={"prompt": "6.text", "output": "9"}) / "flux.map.json", ns=(0, 1))
    assert workflows.read()
    assert workflows.workflows["flux"].output == "9"


def test_a_workflow_is_added_and_removed_with_its_files(write: Write, tmp_path: Path) -> None:
    workflows = read(tmp_path)
    folder = write()
    assert workflows.read()
    assert "flux" in workflows.workflows
    (folder / "flux.map.json").unlink()
    assert workflows.read()
    assert "flux" not in workflows.workflows
    assert dict(workflows.faults) == {"flux": "flux.map.json is missing"}
    (folder / "flux.json").unlink()
    assert workflows.read()
    assert dict(workflows.faults) == {}


def test_a_repaired_file_is_no_longer_reported(write: Write) -> None:
    workflows = read(write(graph="{"))
    assert list(workflows.faults) == ["flux"]
    write()
    assert workflows.read()
    assert dict(workflows.faults) == {}
    assert "flux" in workflows.workflows


# --- Contents of a map ------------------------------------------------------------------------------------------------


def test_a_field_may_be_mapped_to_several_inputs(write: Write) -> None:
    mapping = {"prompt": "6.text", "seed": ["3.seed", "5.batch_size"], "image": ["10.image"], "count": "5.batch_size"}
    found = workflow(write(mapping=mapping))
    assert dict(found.slots) == {
        "prompt": (("6", "text"),),
        "image": (("10", "image"),),
        "seed": (("3", "seed"), ("5", "batch_size")),
        "count": (("5", "batch_size"),),
    }
    assert (found.output, found.max_images) == ("9", 4)


def test_input_names_may_contain_full_stops_and_node_ids_may_contain_colons(write: Write) -> None:
    graph = GRAPH | {"12:6": {"class_type": "New", "inputs": {"texts.text0": ""}}}
    assert workflow(write(graph=graph, mapping={"prompt": "12:6.texts.text0"})).slots == {
        "prompt": (("12:6", "texts.text0"),)
    }


def test_a_workflow_without_an_input_for_the_count_makes_one_image(write: Write) -> None:
    assert workflow(write()).max_images == 1
    assert workflow(write(mapping=MAP | {"count": "5.batch_size", "max_images": 8})).max_images == 8


# --- Errors in workflows ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (EDITORS, "flux.json: is saved in the editor's format: in ComfyUI, use Workflow > Export (API), and save that"),
        ("", "flux.json: is not valid JSON"),
        ('{"3": ', "flux.json: is not valid JSON"),
        ("[" * 5000, "flux.json: is not valid JSON"),
        ("[" + "1," * 300_000 + "1]", "flux.json: contains too many values"),
        (" " * (4 * 2**20 + 1), "flux.json: is larger than 4 MiB"),
        ({}, NO_GRAPH),
        ([], NO_GRAPH),
        (5, NO_GRAPH),
        ({"prompt": GRAPH}, NO_GRAPH),
        ({"3": {"inputs": {}}}, NO_GRAPH),
        ({"3": {"class_type": "A"}}, NO_GRAPH),
        ({"3": {"class_type": 5, "inputs": {}}}, NO_GRAPH),
        (
            {"3": {"class_type": "A", "inputs": {"x": ["8", 0]}}},
            "flux.json: node 3 (A) is linked to node 8, which does not exist",
        ),
        (None, "flux.json is missing"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_unusable_graph_is_reported_with_a_helpful_message(write: Write, graph: Any, words: str) -> None:
    graph = graph if graph is None or isinstance(graph, str) else json.dumps(graph)
    assert fault(write(graph=graph)).startswith(words)


@pytest.mark.parametrize(
    ("mapping", "words"),
    [
        (None, "flux.map.json is missing"),
        ("{", "flux.map.json: is not valid JSON"),
        ([], "flux.map.json: must be a JSON object"),
        ({}, 'prompt: must be set. Example: "prompt": "6.text"'),
        ({"width": "5.width"}, "height: must be set if 'width' is set"),
        ({"height": "5.height"}, "width: must be set if 'height' is set"),
        ({"mask": "10.image"}, "image: must be set if 'mask' is set"),
        ({"checkpoints": ["*"]}, "checkpoint: must be set if 'checkpoints' is set"),
        ({"max_images": 4}, "count: must be set if 'max_images' is more than 1"),
        ({"sizes": ["512x512", "64x64"]}, "width: must be set if there are several 'sizes'"),
        ({"promt": "6.text"}, "promt: is not a known field"),
        ({"prompt": "6"}, 'prompt: must be like "6.text"'),
        ({"prompt": ".text"}, 'prompt: must be like "6.text"'),
        ({"prompt": "6."}, 'prompt: must be like "6.text"'),
        ({"prompt": []}, 'prompt: must be like "6.text"'),
        ({"prompt": {"6": "text"}}, 'prompt: must be like "6.text"'),
        ({"prompt": [6]}, 'prompt: must be like "6.text"'),
        (
            {"prompt": "8.text"},
            "prompt: node '8' does not exist; the nodes are 3 (KSampler), 6 (CLIPTextEncode), 4 (Che",
        ),
        ({"prompt": "6.txt"}, "prompt: node 6 (CLIPTextEncode) has no input 'txt'; it has text, clip"),
        (
            {"prompt": "3.positive"},
            "prompt: the input 'positive' of node 3 (KSampler) is linked to node 6: name the node that contains the",
        ),
        ({"prompt": "3.seed"}, "prompt: the input 'seed' of node 3 (KSampler) does not contain a string"),
        ({"seed": ["3.seed", "6.text"]}, "seed: the input 'text' of node 6 (CLIPTextEncode) does not contain a number"),
        ({"output": "8"}, "output: node '8' does not exist; the nodes that save images are 9 (SaveImage)"),
        (
            {"output": "12"},
            "output: node 12 (PreviewImage) saves no images; the nodes that save images are 9 (SaveImage)",
        ),
        ({"output": 9}, 'output: must be the id of a node in quotes, such as "9"'),
        ({"sizes": ["big"]}, 'sizes[0]: must be like "1024x1024"'),
        ({"sizes": "512x512"}, "sizes: must be a JSON list"),
        ({"checkpoints": "*"}, "checkpoints: must be a JSON list"),
        ({"checkpoints": [""]}, "checkpoints: must contain names, or patterns"),
        ({"max_images": "4"}, "max_images: input should be a valid integer"),
        ({"max_images": 0}, "max_images: input should be greater than or equal to 1"),
        ({"enabled": "no"}, "enabled: input should be a valid boolean"),
        ({"with_reference": "edit"}, "with_reference: the workflow 'edit' does not exist"),
        ({"with_reference": "text-to-image"}, "with_reference: the workflow 'text-to-image' has no 'image' in its map"),
        ({"with_mask": "edit", "image": ["10.image"]}, "with_mask: the workflow 'edit' does not exist"),
        ({"with_mask": "upscale", "image": ["10.image"]}, "with_mask: the workflow 'upscale' has no 'mask' in its"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_invalid_map_is_reported_with_a_helpful_message(write: Write, mapping: Any, words: str) -> None:
    whole = mapping if not isinstance(mapping, dict) or not mapping else MAP | mapping
    told = fault(write(mapping=whole))
    assert told.startswith("flux.map.json")
    assert words in told


def test_all_errors_in_a_map_are_reported_at_once(write: Write) -> None:
    told = fault(write(mapping={"prompt": "6.txt", "seed": "8.seed", "output": "8"}))
    assert [part in told for part in ("prompt: node 6", "seed: node '", "output: node '")] == [True] * 3


def test_a_map_must_set_the_output_if_two_nodes_save_images(write: Write) -> None:
    graph = GRAPH | {"11": GRAPH["9"]}
    told = fault(write(graph=graph))
    assert "output: must be set, because it is not clear which node is meant;" in told
    assert "the nodes that save images are 9 (SaveImage), 11" in told
    assert workflow(write(graph=graph, mapping=MAP | {"output": "11"})).output == "11"


def test_a_faulty_workflow_for_edits_does_not_disable_the_workflow_for_orders_without_images(write: Write) -> None:
    workflows = read(write("image-to-image", "{"))
    assert list(workflows.faults) == ["image-to-image"]
    assert "text-to-image" in workflows.workflows


def test_a_name_with_unprintable_characters_is_reported(write: Write) -> None:
    assert "at most 100 printable characters" in fault(write("a\nb"), "a\nb")


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_a_file_that_is_not_utf_8_is_reported(write: Write, encoding: str) -> None:
    folder = write()
    (folder / "flux.json").write_text(
        json.dumps(GRAPH | {"13": {"class_type": "Größe", "inputs": {}}}, ensure_ascii=False), encoding
    )
    assert fault(folder) == "flux.json: is not saved as UTF-8"
