"""Faults: the faults that can be injected."""

from collections.abc import Mapping

from sora_proxy.simulator.fault_parameters import Kind, choice, flag, integer, number, text

SUBMIT = ("submit",)
VIEW = ("view",)
ENDPOINTS = (
    *SUBMIT,
    "queue",
    "history",
    "job",
    "jobs",
    "cancel",
    "delete",
    "interrupt",
    "forget",
    "upload",
    *VIEW,
    "models",
    "object_info",
    "system_stats",
    "features",
    "ws",
)
_SECONDS = 86_400.0
_OTHERS = tuple(each for each in ENDPOINTS if each != "submit")

# `takes_effect` says whether the call is carried out despite the fault. A fate affects the submitted job.
KINDS: Mapping[str, Kind] = {
    "status": Kind(SUBMIT, {"status": integer(500, 400, 599), "takes_effect": flag(default=False)}, also=_OTHERS),
    "html": Kind(SUBMIT, {"status": integer(200, 200, 599), "takes_effect": flag(default=False)}, also=_OTHERS),
    "drop": Kind(SUBMIT, {"takes_effect": flag(default=True)}, also=_OTHERS),
    "hang": Kind(SUBMIT, {"seconds": number(None, 0, _SECONDS), "when": choice("before", "after")}, also=_OTHERS),
    "view_gone": Kind(VIEW),
    "node_errors": Kind(SUBMIT),
    "execution_error": Kind(
        SUBMIT,
        {
            "type": text("RuntimeError"),
            "message": text("Expected all tensors to be on the same device, in /opt/comfyui/comfy/model_base.py"),
            "node": text("CLIPTextEncode"),
        },
        is_fate=True,
    ),
    "out_of_memory": Kind(SUBMIT, {"node": text("KSampler")}, is_fate=True),
    "vanish": Kind(SUBMIT, {"when": choice("waiting", "running", "ended")}, is_fate=True),
    "silent_socket": Kind(SUBMIT, is_fate=True),
    "cut_socket": Kind(SUBMIT, is_fate=True),
    "foreign_frames": Kind(SUBMIT, is_fate=True),
    "large_frame": Kind(SUBMIT, {"bytes": integer(5 * 2**20, 1, 64 * 2**20)}, is_fate=True),
}
