"""A simulated ComfyUI, to try the back end without a real one, and for the tests.

`versions.py` contains the differences between versions, and `catalogue.py` the nodes. `checking.py` refuses graphs as
ComfyUI does, `planning.py` puts their nodes in order, `nodes.py` does the work of each node, and `running.py` runs a
job and reports it to the sockets. There are the control routes of every simulator: `/simulator/faults` takes requests
for faults, and `/simulator/stats` counts calls. Two more routes are for this simulator only: `/simulator/advance` moves
the clock of jobs forward, and `/simulator/restart` ends the process and starts it again.
"""

from sora_proxy.simulator.comfyui.options import ComfyUIOptions
from sora_proxy.simulator.comfyui.server import serve_comfyui_simulator

__all__ = ["ComfyUIOptions", "serve_comfyui_simulator"]
