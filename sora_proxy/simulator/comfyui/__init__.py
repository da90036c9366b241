"""A simulated ComfyUI, to try the back end without a real one, and for the tests.

`versions.py` holds the differences between versions, `catalogue.py` the nodes. `checking.py` refuses graphs as ComfyUI
does, `planning.py` puts their nodes in order, `nodes.py` holds the work of each node, and `running.py` runs a job and
reports it to the sockets. It has the control routes of every simulator: `/simulator/faults` takes requests for faults,
and `/simulator/stats` shows what happened. It has two more: `/simulator/advance` moves the clock of its jobs forward,
and `/simulator/restart` ends the process and starts it again.
"""

from sora_proxy.simulator.comfyui.options import ComfyUIOptions
from sora_proxy.simulator.comfyui.server import serve_comfyui_simulator

__all__ = ["ComfyUIOptions", "serve_comfyui_simulator"]
