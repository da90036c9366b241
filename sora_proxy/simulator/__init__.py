"""Which server answers if there is no real back end? Simulated servers, for demonstrations and tests. The modules
directly in this folder simulate Sora's web protocol.

Tests inject faults through `/simulator/faults`, read counts of calls from `/simulator/stats`, and wait for counts with
`/simulator/wait`.
"""

from sora_proxy.simulator.engine import Clocks
from sora_proxy.simulator.options import SimulatorOptions
from sora_proxy.simulator.server import create_simulator, serve_simulator
from sora_proxy.simulator.serving import RunningSimulator, listen

__all__ = ["Clocks", "RunningSimulator", "SimulatorOptions", "create_simulator", "listen", "serve_simulator"]
