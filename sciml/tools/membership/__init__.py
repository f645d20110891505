"""Whether losses tell training samples from others: a check of privacy, not a proof."""

from sciml.tools.membership._tool import MembershipProbe as MembershipProbe
from sciml.tools.membership._tool import advantage as advantage
from sciml.tools.membership._tool import separation as separation

TOOLS = (MembershipProbe(),)

__all__ = ["TOOLS", "MembershipProbe", "advantage", "separation"]
