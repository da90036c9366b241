"""A simulated ComfyUI server, for tests, and to try the back end without a real server.

`versions.py` describes how versions differ, and `catalogue.py` describes the nodes. `checking.py` refuses graphs as
ComfyUI does, `planning.py` puts their nodes in order, `nodes.py` does the work of each node, and `running.py` runs a
job and reports its events to the sockets. As with every simulator, tests inject faults through `/simulator/faults`, and
read counts of calls from `/simulator/stats`. Only this simulator has `/simulator/advance`, which moves the clock of
jobs forward, and `/simulator/restart`, which ends the process and starts it again.
"""

from sora_proxy.simulator.comfyui.options import ComfyUIOptions
from sora_proxy.simulator.comfyui.server import serve_comfyui_simulator

__all__ = ["ComfyUIOptions", "serve_comfyui_simulator"]
