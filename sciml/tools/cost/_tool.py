"""The probe `cost`."""

import pydantic

from sciml.core.config import Config
from sciml.core.types import Support
from sciml.tools._contract import Findings, Probe, Subject
from sciml.train import AnySolver


class CostConfig(Config):
    """How long measuring may take."""

    patience: float = pydantic.Field(default=2.0, ge=0)
    """Seconds after which no further repeat of the timing is begun; six are made in any case."""


class CostProbe(Probe[CostConfig]):
    """What one prediction costs: parameters, FLOPs, peak memory, file size, latency."""

    key = "cost"
    title = "Cost of a prediction"
    citation = "FLOPs as counted by torch.utils.flop_counter; latency as the minimum of interleaved repeats"
    config = CostConfig

    def supports(self, solver: AnySolver) -> Support:
        """Every solver predicts."""
        return Support(True)

    def probe(self, subject: Subject, config: CostConfig) -> Findings:
        """Measure the run's own example, one sample; no data is made."""
        cost = subject.measure(subject.module, config.patience)
        latency = cost.latency
        numbers = {
            "parameters": float(cost.parameters),
            "flops": float(cost.flops),
            "transform_flops": float(cost.transform_flops),
            "peak_memory": float(cost.peak_memory),
            "file_size": float(cost.file_size),
            "latency": latency.seconds,
            "latency_error": latency.spread,
        }
        conditions = cost.conditions
        size = f" on {' x '.join(map(str, conditions.grid))} points" if conditions.grid else ""
        words = (
            f"One {subject.task.view.counted} of one sample{size}, {conditions.device}, {conditions.threads} thread, "
            f"{conditions.dtype}: {1e3 * latency.seconds:.3g} ms, repeats within {100 * latency.spread:.2g} %.",
        )
        return Findings(numbers, words=words)
