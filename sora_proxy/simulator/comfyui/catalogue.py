"""Catalogue: the node classes of the simulated ComfyUI, their inputs and outputs, and how `/object_info` shows them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sora_proxy.simulator.comfyui.versions import Change, Version

MAX_SIDE = 16384
MAX_SEED = 2**64 - 1
SAMPLERS = (
    "euler",
    "euler_ancestral",
    "heun",
    "dpm_2",
    "lms",
    "dpmpp_2m",
    "dpmpp_2m_sde",
    "dpmpp_3m_sde",
    "ddim",
    "uni_pc",
)
SCHEDULERS = ("simple", "sgm_uniform", "karras", "exponential", "ddim_uniform", "beta", "normal", "linear_quadratic")
SCALINGS = ("nearest-exact", "bilinear", "area", "bicubic", "lanczos")


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a node: a link, a value of `type`, one of `choices`, or the name of a file in `folder`."""

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    folder: str = ""
    is_new_form: bool = False  # whether newer versions describe the choices of this input in the newer format

    @property
    def is_choice(self) -> bool:
        """Whether the value has to be an entry of a list."""
        return bool(self.choices or self.folder)

    def config(self, files: Mapping[str, list[str]], version: Version) -> list[Any]:
        """Describe the input as `/object_info` does; `files` are the names of the files by folder."""
        options = dict(self.options)
        if not self.is_choice:
            return [self.type, options] if options else [self.type]
        choices = list(self.choices) or files[self.folder]
        if self.is_new_form and version.has(Change.recent):
            return ["COMBO", {**options, "multiselect": False, "options": choices}]
        return [choices, options] if options else [choices]


@dataclass(frozen=True, slots=True)
class NodeClass:
    """A class of nodes. A slow node takes as many seconds as the options set, and may report its steps."""

    display_name: str
    category: str
    inputs: Mapping[str, Input]
    outputs: tuple[str, ...] = ()
    is_output: bool = False
    is_slow: bool = False
    has_steps: bool = False

    def info(self, name: str, files: Mapping[str, list[str]], version: Version) -> dict[str, Any]:
        """Describe the class as `/object_info` does."""
        required = {key: each.config(files, version) for key, each in self.inputs.items()}
        hidden = {"hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}} if self.is_output else {}
        new = version.has(Change.recent)
        return {
            "input": {"required": required, **hidden},
            "input_order": {"required": list(required), **({"hidden": list(hidden["hidden"])} if hidden else {})},
            **({"is_input_list": False} if new else {}),
            "output": list(self.outputs),
            "output_is_list": [False] * len(self.outputs),
            "output_name": list(self.outputs),
            "name": name,
            "display_name": self.display_name,
            "description": "",
            "python_module": "nodes",
            "category": self.category,
            "output_node": self.is_output,
            **({"has_intermediate_output": False} if new else {}),
        }


def _int(default: int, low: int, high: int, step: int = 1) -> Input:
    return Input("INT", {"default": default, "min": low, "max": high, "step": step})


def _float(default: float, low: float, high: float, step: float = 0.01) -> Input:
    return Input("FLOAT", {"default": default, "min": low, "max": high, "step": step})


def _choice(*choices: str) -> Input:
    return Input("COMBO", {}, choices)


def _links(**types: str) -> dict[str, Input]:
    return {name: Input(kind) for name, kind in types.items()}


_SIDES = {"width": _int(512, 16, MAX_SIDE, 8), "height": _int(512, 16, MAX_SIDE, 8)}
_BATCH = _int(1, 1, 4096)
_LATENT = ("LATENT",)
_IMAGE = ("IMAGE",)
_SEED = Input("INT", {"default": 0, "min": 0, "max": MAX_SEED, "control_after_generate": True})
_FILE = Input("COMBO", {"image_upload": True}, folder="input")

CATALOGUE: Mapping[str, NodeClass] = {
    "CheckpointLoaderSimple": NodeClass(
        "Load Checkpoint",
        "loaders",
        {"ckpt_name": Input("COMBO", {"tooltip": "The name of the checkpoint (model) to load."}, folder="checkpoints")},
        ("MODEL", "CLIP", "VAE"),
    ),
    "LoraLoader": NodeClass(
        "Load LoRA",
        "loaders",
        {
            **_links(model="MODEL", clip="CLIP"),
            "lora_name": Input("COMBO", {}, folder="loras"),
            "strength_model": _float(1.0, -100.0, 100.0),
            "strength_clip": _float(1.0, -100.0, 100.0),
        },
        ("MODEL", "CLIP"),
    ),
    "UpscaleModelLoader": NodeClass(
        "Load Upscale Model",
        "loaders",
        {"model_name": Input("COMBO", {}, folder="upscale_models", is_new_form=True)},
        ("UPSCALE_MODEL",),
    ),
    "CLIPTextEncode": NodeClass(
        "CLIP Text Encode (Prompt)",
        "conditioning",
        {"text": Input("STRING", {"multiline": True, "dynamicPrompts": True}), **_links(clip="CLIP")},
        ("CONDITIONING",),
    ),
    "EmptyLatentImage": NodeClass("Empty Latent Image", "latent", {**_SIDES, "batch_size": _BATCH}, _LATENT),
    "RepeatLatentBatch": NodeClass(
        "Repeat Latent Batch", "latent/batch", {**_links(samples="LATENT"), "amount": _int(1, 1, 64)}, _LATENT
    ),
    "SetLatentNoiseMask": NodeClass(
        "Set Latent Noise Mask", "latent/inpaint", _links(samples="LATENT", mask="MASK"), _LATENT
    ),
    "KSampler": NodeClass(
        "KSampler",
        "sampling",
        {
            **_links(model="MODEL"),
            "seed": _SEED,
            "steps": _int(20, 1, 10_000),
            "cfg": _float(8.0, 0.0, 100.0, 0.1),
            "sampler_name": _choice(*SAMPLERS),
            "scheduler": _choice(*SCHEDULERS),
            **_links(positive="CONDITIONING", negative="CONDITIONING", latent_image="LATENT"),
            "denoise": _float(1.0, 0.0, 1.0),
        },
        _LATENT,
        is_slow=True,
        has_steps=True,
    ),
    "VAEDecode": NodeClass("VAE Decode", "latent", _links(samples="LATENT", vae="VAE"), _IMAGE),
    "VAEEncode": NodeClass("VAE Encode", "latent", _links(pixels="IMAGE", vae="VAE"), _LATENT),
    "VAEEncodeForInpaint": NodeClass(
        "VAE Encode (for Inpainting)",
        "latent/inpaint",
        {**_links(pixels="IMAGE", vae="VAE", mask="MASK"), "grow_mask_by": _int(6, 0, 64)},
        _LATENT,
    ),
    "LoadImage": NodeClass("Load Image", "image", {"image": _FILE}, ("IMAGE", "MASK")),
    "LoadImageMask": NodeClass(
        "Load Image (as Mask)",
        "mask",
        {"image": _FILE, "channel": _choice("alpha", "red", "green", "blue")},
        ("MASK",),
    ),
    "EmptyImage": NodeClass(
        "EmptyImage",
        "image",
        {
            "width": _int(512, 1, MAX_SIDE),
            "height": _int(512, 1, MAX_SIDE),
            "batch_size": _BATCH,
            "color": Input("INT", {"default": 0, "min": 0, "max": 0xFFFFFF, "step": 1, "display": "color"}),
        },
        _IMAGE,
    ),
    "ImageInvert": NodeClass("Invert Image", "image", _links(image="IMAGE"), _IMAGE),
    "ImageBlur": NodeClass(
        "Image Blur",
        "image/postprocessing",
        {**_links(image="IMAGE"), "blur_radius": _int(1, 1, 31), "sigma": _float(1.0, 0.1, 10.0, 0.1)},
        _IMAGE,
        is_slow=True,
    ),
    "ImageScale": NodeClass(
        "Upscale Image",
        "image/upscaling",
        {
            **_links(image="IMAGE"),
            "upscale_method": _choice(*SCALINGS),
            "width": _int(512, 0, MAX_SIDE),
            "height": _int(512, 0, MAX_SIDE),
            "crop": _choice("disabled", "center"),
        },
        _IMAGE,
    ),
    "ImageScaleBy": NodeClass(
        "Upscale Image By",
        "image/upscaling",
        {**_links(image="IMAGE"), "upscale_method": _choice(*SCALINGS), "scale_by": _float(1.0, 0.01, 8.0)},
        _IMAGE,
    ),
    "ImageUpscaleWithModel": NodeClass(
        "Upscale Image (using Model)",
        "image/upscaling",
        _links(upscale_model="UPSCALE_MODEL", image="IMAGE"),
        _IMAGE,
        is_slow=True,
        has_steps=True,
    ),
    "SaveImage": NodeClass(
        "Save Image",
        "image",
        {
            "images": Input("IMAGE", {"tooltip": "The images to save."}),
            "filename_prefix": Input("STRING", {"default": "ComfyUI"}),
        },
        is_output=True,
    ),
    "PreviewImage": NodeClass("Preview Image", "image", _links(images="IMAGE"), is_output=True),
}
