"""Steps that meet events: where they end, and what is noted on the way."""

import torch
from jaxtyping import Bool
from torch import Tensor

from sciml.ode._crossings import Crossings, Curve, crossings
from sciml.ode._events import Events
from sciml.ode._method import Field, Step, block_of
from sciml.ode._plan import Plan
from sciml.ode._walk import Hit, Marks, Walk, gather


def meet(
    plan: Plan, events: Events, walk: Walk, after: Walk, step: Step, size: Tensor, accept: Bool[Tensor, " row"]
) -> tuple[Walk, Hit | None, Marks | None]:
    """Whether event functions changed their sign in an accepted step, and where; the walk stops at a terminal one."""
    sides = events.values(after.time, after.state.detach())
    after = after._replace(sides=sides)

    def bind(row: Tensor) -> Field:
        return plan.bind(tuple(a.detach()[row] for a in walk.args))

    state, slope = walk.state.detach(), walk.slope.detach()
    still = step._replace(state=step.state.detach(), slope=step.slope.detach(), stages=block_of(step).detach())
    curve = Curve(plan.method, still, bind, walk.time, size, state, slope)
    roots = crossings(events, curve, walk.sides, sides, accept)
    if roots is None:
        return after, None, None
    terminal = torch.tensor(events.terminal, device=size.device)[roots.event]
    first = torch.full_like(size, torch.inf)
    first = first.scatter_reduce(0, roots.row[terminal], roots.along[terminal], "amin")
    noted = roots.chosen((~terminal & (roots.along < first[roots.row])).nonzero().flatten())
    marks = _marks(curve, walk, noted) if len(noted.row) else None
    if not bool(terminal.any()):
        return after, None, marks
    rows, index = first.isfinite(), torch.full_like(walk.rows, -1)
    ends = roots.chosen((terminal & (roots.along == first[roots.row])).nonzero().flatten())
    index[ends.row] = ends.event
    along = torch.where(rows, first, 1.0)
    time = torch.where(rows, walk.time + size.double() * along.double(), after.time)
    return after._replace(time=time), Hit(rows, index, along), marks


def _marks(curve: Curve, walk: Walk, noted: Crossings) -> Marks:
    with torch.no_grad():
        state = curve.best(noted.row, noted.along)
    return Marks(walk.rows[noted.row], noted.event, curve.times(noted.row, noted.along), state)


def cut(plan: Plan, walk: Walk, step: Step, size: Tensor, hit: Hit, taped: bool) -> tuple[Step, Tensor, Hit]:
    """The steps of rows that met an event again, up to there: where the dense output is not good enough."""
    kept = hit.rows.nonzero().flatten()
    short = size[kept] * hit.along[kept]
    with torch.set_grad_enabled(taped or plan.graph):
        mine = gather(walk, kept)
        again = plan.method.step(
            plan.bind(mine.args),
            mine.time.to(size.dtype),
            short,
            mine.state,
            mine.slope,
            stiffness=plan.record,
            repeatable=plan.repeatable,
            memory=mine.memory,
        )
        rest = {
            name: getattr(step, name).index_copy(0, kept, new)
            for name in ("state", "slope", "stiffness")
            if (new := getattr(again, name)) is not None
        }
        stages = block_of(step).index_copy(1, kept, block_of(again))
    return (
        step._replace(stages=stages, **rest),
        size.index_copy(0, kept, short),
        hit._replace(along=torch.ones_like(hit.along)),
    )
