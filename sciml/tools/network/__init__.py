"""Networks as weighted graphs: links, strengths of nodes and neurons, and which layer is ill."""

from sciml.tools.network._activity import Neurons as Neurons
from sciml.tools.network._activity import neuron_activity as neuron_activity
from sciml.tools.network._health import Health as Health
from sciml.tools.network._health import diagnose as diagnose
from sciml.tools.network._links import Links as Links
from sciml.tools.network._links import Wiring as Wiring
from sciml.tools.network._links import trace as trace
from sciml.tools.network._population import Member as Member
from sciml.tools.network._population import train_population as train_population
from sciml.tools.network._rule import WatchedRule as WatchedRule
from sciml.tools.network._signature import signature as signature
from sciml.tools.network._special import mode_strengths as mode_strengths
from sciml.tools.network._special import recurrent_strengths as recurrent_strengths
from sciml.tools.network._special import state_space_strengths as state_space_strengths
from sciml.tools.network._strength import NodeLayer as NodeLayer
from sciml.tools.network._strength import fluctuation as fluctuation
from sciml.tools.network._strength import js_divergence as js_divergence
from sciml.tools.network._strength import node_strengths as node_strengths
from sciml.tools.network._strength import unfolded_strengths as unfolded_strengths
from sciml.tools.network._tool import NetworkConfig as NetworkConfig
from sciml.tools.network._tool import NetworkProbe as NetworkProbe
from sciml.tools.network._tool import NetworkView as NetworkView
from sciml.tools.network._tool import WatchConfig as WatchConfig
from sciml.tools.network._tool import WatchPolicy as WatchPolicy
from sciml.tools.network._tool import view_network as view_network

TOOLS = (NetworkProbe(), WatchPolicy())

__all__ = [
    "TOOLS",
    "Health",
    "Links",
    "Member",
    "NetworkConfig",
    "NetworkProbe",
    "NetworkView",
    "Neurons",
    "NodeLayer",
    "WatchConfig",
    "WatchPolicy",
    "WatchedRule",
    "Wiring",
    "diagnose",
    "fluctuation",
    "js_divergence",
    "mode_strengths",
    "neuron_activity",
    "node_strengths",
    "recurrent_strengths",
    "signature",
    "state_space_strengths",
    "trace",
    "train_population",
    "unfolded_strengths",
    "view_network",
]
