"""The rewrite `autotune`."""

from collections import Counter

from torch import nn

from sciml.core.types import Support
from sciml.tools._contract import Findings, FindingsTable, Rewrite, Subject
from sciml.tools.autotune._plan import AutotuneConfig, TuningPlan, apply_tuning, plan_tuning, transfer_tuning
from sciml.train import AnySolver


class Autotune(Rewrite[AutotuneConfig, TuningPlan]):
    """Structured layers computed in the form that is fastest on this machine, with the same answers."""

    key = "autotune"
    title = "Fastest form of each layer"
    citation = (
        "Autotuning as in Whaley, Petitet, Dongarra, Parallel Computing 27 (2001), doi:10.1016/S0167-8191(00)00087-9"
    )
    config = AutotuneConfig
    plan_type = TuningPlan

    def supports(self, solver: AnySolver) -> Support:
        """A solver whose runs can have structured layers."""
        if solver.rule is None or solver.knob is None:
            return Support(False, "its runs cannot have structured layers, which are all it acts on")
        return Support(True)

    def plan(self, subject: Subject, config: AutotuneConfig) -> TuningPlan:
        """Time every layer in all its forms."""
        return plan_tuning(subject.module, subject.predict(subject.module), config)

    def apply(self, module: nn.Module, plan: TuningPlan) -> nn.Module:
        """Layers in their forms, without weights."""
        return apply_tuning(module, plan)

    def transfer(self, module: nn.Module, plan: TuningPlan) -> nn.Module:
        """Layers in their forms, with the same matrices."""
        return transfer_tuning(module, plan)

    def findings(self, plan: TuningPlan) -> Findings:
        """How many layers took which form, and what that saves."""
        kinds = Counter(tuning.form for tuning in plan.layers.values())
        totals = {
            "seconds_before": sum(tuning.before for tuning in plan.layers.values()),
            "seconds_dense": sum(tuning.dense for tuning in plan.layers.values()),
            "seconds_after": sum(tuning.after for tuning in plan.layers.values()),
        }
        named = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
        words = (
            f"Structured layers tuned: {named}.",
            f"One call of each takes {1e6 * totals['seconds_after']:.3g} µs, with dense matrices "
            f"{1e6 * totals['seconds_dense']:.3g} µs, as they were {1e6 * totals['seconds_before']:.3g} µs.",
        )
        rows = tuple(
            (
                name,
                tuning.form,
                *(round(1e6 * seconds, 2) for seconds in (tuning.before, tuning.dense, tuning.after)),
                round(tuning.dense / tuning.after, 2) if tuning.after else 1.0,
            )
            for name, tuning in plan.layers.items()
        )
        columns = ("layer", "form", "before in µs", "dense in µs", "after in µs", "times faster than dense")
        table = FindingsTable("How long every layer takes", columns, rows, "times faster than dense")
        return Findings({"layers": float(len(plan.layers)), **totals}, words=words, tables=(table,))
