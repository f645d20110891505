"""What is done to a trained or trainable solver: rewrites, policies, merges, searches and probes."""

from sciml.core import registry
from sciml.tools._contract import AnyRewrite as AnyRewrite
from sciml.tools._contract import AnyRule as AnyRule
from sciml.tools._contract import AnyTool as AnyTool
from sciml.tools._contract import Findings as Findings
from sciml.tools._contract import FindingsFigure as FindingsFigure
from sciml.tools._contract import FindingsPictures as FindingsPictures
from sciml.tools._contract import FindingsTable as FindingsTable
from sciml.tools._contract import Merge as Merge
from sciml.tools._contract import Merged as Merged
from sciml.tools._contract import Policy as Policy
from sciml.tools._contract import Prepared as Prepared
from sciml.tools._contract import Probe as Probe
from sciml.tools._contract import Rewrite as Rewrite
from sciml.tools._contract import Search as Search
from sciml.tools._contract import Subject as Subject
from sciml.tools._contract import Tool as Tool

__all__ = [
    "AnyRewrite",
    "AnyRule",
    "AnyTool",
    "Findings",
    "FindingsFigure",
    "FindingsPictures",
    "FindingsTable",
    "Merge",
    "Merged",
    "Policy",
    "Prepared",
    "Probe",
    "Rewrite",
    "Search",
    "Subject",
    "Tool",
    "find_tool",
    "registered_tools",
]


def registered_tools() -> dict[str, AnyTool]:
    """Every tool that works, by key."""
    return registry.entries("tools", Tool)


def find_tool(key: str) -> AnyTool:
    """One tool by key; an unknown key lists the valid ones."""
    return registry.entry("tools", Tool, key)
