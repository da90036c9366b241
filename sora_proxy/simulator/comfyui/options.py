"""Options: the behaviour of the simulated ComfyUI, as one frozen object with a short explanation of each option."""

from dataclasses import dataclass, fields

from sora_proxy.simulator.comfyui.versions import VERSIONS, Version
from sora_proxy.simulator.options import check_option, option

PREVIEW_METHODS = ("none", "auto", "latent2rgb", "taesd")


@dataclass(frozen=True, slots=True, kw_only=True)
class ComfyUIOptions:
    """The options of the simulated ComfyUI. The defaults suit a demonstration. In lists of files, commas separate the
    names."""

    version: str = option("0.33.0", "version of ComfyUI that is simulated", tuple(VERSIONS))
    seconds: float = option(8.0, "time that a sampler or another slow node takes, in seconds")
    steps: int = option(0, "steps of every sampler and upscaler (0: as in the graph, or 1 if the node has no steps)")
    previews: str = option("none", "preview method for jobs that do not choose one", PREVIEW_METHODS)
    checkpoints: str = option(
        "sd_xl_base_1.0.safetensors,v1-5-pruned-emaonly.safetensors", "installed checkpoints, comma-separated"
    )
    loras: str = option("pixel-art.safetensors", "installed LoRAs, comma-separated")
    upscale_models: str = option("4x-UltraSharp.pth", "installed upscale models, comma-separated")
    user: str = option("", "user name for a simulated proxy in front of the server (empty: no login)")
    password: str = option("", "password for --user, which is also accepted as a bearer token")

    def __post_init__(self) -> None:
        """Check the values. Raises ValueError, which names the option."""
        for each in fields(self):
            check_option(each.name, getattr(self, each.name), each.metadata["choices"])

    @property
    def kind(self) -> Version:
        """The version as an object."""
        return VERSIONS[self.version]

    @property
    def models(self) -> dict[str, list[str]]:
        """The names of the model files by folder."""
        folders = {name: getattr(self, name) for name in ("checkpoints", "loras", "upscale_models")}
        return {folder: [name for name in names.split(",") if name] for folder, names in folders.items()}
