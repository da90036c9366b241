"""Which server answers without a real back end? Simulated servers, for demonstrations and tests. This folder itself has
Sora's web protocol.

`/simulator/faults` takes requests for faults, `/simulator/stats` shows what happened, `/simulator/wait` waits for it.
"""

from sora_proxy.simulator.engine import Clocks
from sora_proxy.simulator.options import SimulatorOptions
from sora_proxy.simulator.server import create_simulator, serve_simulator
from sora_proxy.simulator.serving import RunningSimulator, listen

__all__ = ["Clocks", "RunningSimulator", "SimulatorOptions", "create_simulator", "listen", "serve_simulator"]
