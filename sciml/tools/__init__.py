"""What is done to a solver: four small shapes, never one god class.

A module in this package exports ``TOOLS``, a tuple of instances of leaves of these bases. A tool works on any solver
whose module it can read and says so in `Tool.supports`; applying it to a run leaves a child run whose record names its
parent.
"""

from sciml.tools._shapes import Policy as Policy
from sciml.tools._shapes import Probe as Probe
from sciml.tools._shapes import Rewrite as Rewrite
from sciml.tools._shapes import Search as Search
from sciml.tools._shapes import Tool as Tool
from sciml.tools._shapes import Trial as Trial

__all__ = ["Policy", "Probe", "Rewrite", "Search", "Tool", "Trial"]
