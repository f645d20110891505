"""What predicting costs: parameters, FLOPs, peak memory, file size, measured latency."""

from sciml.tools._flops import Flops as Flops
from sciml.tools._flops import count_flops as count_flops
from sciml.tools.cost._latency import measure_latencies as measure_latencies
from sciml.tools.cost._machine import Machine as Machine
from sciml.tools.cost._machine import measure_energy as measure_energy
from sciml.tools.cost._machine import this_machine as this_machine
from sciml.tools.cost._measure import measure_cost as measure_cost
from sciml.tools.cost._measure import measure_costs as measure_costs
from sciml.tools.cost._memory import file_size as file_size
from sciml.tools.cost._memory import peak_memory as peak_memory
from sciml.tools.cost._model import Conditions as Conditions
from sciml.tools.cost._model import Cost as Cost
from sciml.tools.cost._model import Latency as Latency
from sciml.tools.cost._tool import CostConfig as CostConfig
from sciml.tools.cost._tool import CostProbe as CostProbe

TOOLS = (CostProbe(),)

__all__ = [
    "TOOLS",
    "Conditions",
    "Cost",
    "CostConfig",
    "CostProbe",
    "Flops",
    "Latency",
    "Machine",
    "count_flops",
    "file_size",
    "measure_cost",
    "measure_costs",
    "measure_energy",
    "measure_latencies",
    "peak_memory",
    "this_machine",
]
