"""A ComfyUI, for trying the back end without one, and for the tests.

`versions.py` says what a version has, `catalogue.py` which nodes there are. `checking.py` refuses graphs as ComfyUI
does, `planning.py` puts their nodes in order, `nodes.py` says what each of them does, and `running.py` does a job and
reports it to the sockets. It has the control routes of every simulator: order faults at `/simulator/faults`, see what
happened at `/simulator/stats`; and two more: `/simulator/advance` puts the clock of its jobs forward, and
`/simulator/restart` ends the process and starts it again.
"""

from sora_proxy.simulator.comfyui.options import ComfyUIOptions
from sora_proxy.simulator.comfyui.server import serve_comfyui_simulator

__all__ = ["ComfyUIOptions", "serve_comfyui_simulator"]
