"""How rows end: at the last time or an event, stuck, or out of steps, and the words for those that failed."""

import torch
from jaxtyping import Bool
from torch import Tensor

from sciml.core.status import Status
from sciml.ode._method import Step
from sciml.ode._plan import Plan
from sciml.ode._walk import Hit, Walk, gather


def stuck_rows(
    plan: Plan, walk: Walk, after: Walk, accept: Tensor, everyone: bool, reaches: Tensor
) -> Bool[Tensor, " row"] | None:
    """Rows that cannot go on: a step that was rejected and cannot be made smaller, or one that does not move the time.

    None where it is certain that there are none.
    """
    if plan.step is not None:
        return None if everyone else ~accept
    frozen = accept & ~reaches & (after.time <= walk.time)
    if everyone:
        return frozen if bool(frozen.any()) else None
    smallest = torch.maximum(walk.time.abs() * 1e-15, (walk.end - walk.time).clamp_max(1.0) * 1e-20)
    shrinks = (after.size > smallest) & (walk.size > plan.controller.shortest)  # a size that is no number does neither
    return frozen | (~accept & ~shrinks)


def ended_rows(
    plan: Plan,
    walk: Walk,
    after: Walk,
    step: Step,
    reached: Tensor,
    hit: Hit | None,
    stuck: Tensor | None,
    size: Tensor,
) -> tuple[tuple[Tensor, Tensor, Tensor] | None, dict[int, str]]:
    """Which rows are done, how they ended, and words for those that failed."""
    done = reached & (walk.target == plan.wanted.shape[1] - 1) if plan.lands else reached
    if hit is not None:
        done = done | hit.rows
    over = _over(plan, walk, after)
    leaving = done if stuck is None else done | stuck
    if over is None and not bool(leaving.any()):
        return None, {}
    status = torch.full_like(
        walk.rows, int(Status.NO_EVENT if plan.events is not None and any(plan.events.terminal) else Status.OK)
    )
    index = torch.full_like(walk.rows, -1)
    if hit is not None:
        status[hit.rows], index = int(Status.OK), hit.index
    words: dict[int, str] = {}
    if stuck is not None and bool(stuck.any()):
        broken = ~torch.stack([k.detach() for k in (*step.stages, step.state)]).isfinite().all(0)
        failed = torch.where(broken.any(1), int(Status.DIVERGED), int(Status.STEP_UNDERFLOW))
        status = torch.where(stuck, failed, status)
        for row in stuck.nonzero().flatten().tolist():
            words[int(walk.rows[row])] = _why(plan, walk, step, broken[row], row, size)
    if over is not None:
        late = over & ~leaving
        status[late] = int(Status.MAX_STEPS)
        leaving = leaving | over
        for row in late.nonzero().flatten().tolist():
            words[int(walk.rows[row])] = (
                f"{plan.max_steps} steps were not enough: it got to t = {plan.sign * float(after.time[row]):.6g} "
                f"with steps of {float(after.size[row]):.3g}"
            )
    positions = leaving.nonzero().flatten()
    return (positions, status[positions], index[positions]), words


def _over(plan: Plan, walk: Walk, after: Walk) -> Bool[Tensor, " row"] | None:
    """Whose attempts are used up; None for nobody's. All attempt at once, but may have begun with fewer left."""
    if plan.spent is None:
        return torch.ones_like(walk.rows, dtype=torch.bool) if after.attempts >= plan.max_steps else None
    over = plan.spent[walk.rows] + after.attempts >= plan.max_steps
    return over if bool(over.any()) else None


def _why(plan: Plan, walk: Walk, step: Step, broken: Bool[Tensor, " dim"], row: int, size: Tensor) -> str:
    """Words for one row that could not go on: what, at which t, which step, which component."""
    moment = f"t = {plan.sign * float(walk.time[row]):.6g}, after {int(walk.accepted[row])} accepted steps"
    bad = broken.nonzero().flatten().tolist()
    if bad:
        shown = ", ".join(map(str, bad[:5])) + (", ..." if len(bad) > 5 else "")
        return f"f is not finite near {moment}, in component {shown}"
    if plan.step is not None and step.failed is not None and bool(step.failed[row]):
        length = float(size[row])
        return f"the equations of an implicit step of {length:.2g} were not solved at {moment}; take a shorter one"
    worst = int(step.error[row].detach().abs().argmax()) if step.error is not None else 0
    return (
        f"the step shrank to {float(size[row]):.2g} at {moment}; the error is largest in component {worst} "
        "(where a problem is stiff, an implicit method such as radauIIA5 may go on)"
    )


def without(walk: Walk, positions: Tensor) -> Walk | None:
    """The walk without the rows that are done."""
    stay = torch.ones(len(walk.rows), dtype=torch.bool, device=walk.rows.device)
    stay[positions] = False
    kept = stay.nonzero().flatten()
    if not len(kept):
        return None
    return gather(walk, kept)
