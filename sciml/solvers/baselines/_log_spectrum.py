"""A linear model on the spectrogram: what an engineer tries first on sounds and vibrations."""

import math

import pydantic
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sciml.core import rng
from sciml.core.capabilities import HasSequences
from sciml.core.config import Config
from sciml.core.errors import UserError
from sciml.core.problem import Problem
from sciml.core.status import Status
from sciml.core.types import Prediction, Support
from sciml.nn import Units
from sciml.tasks.sequences import (
    SequenceBatch,
    SequencesConfig,
    SequencesContext,
    SequencesSolver,
    Signals,
    step_of,
    units_of,
)
from sciml.train import Examples, Recipe, TrainConfig, recipe_of

_FLOOR = 1e-6
"""Power that is added before the logarithm, in variances of the signal."""


class LogSpectrumConfig(Config):
    """A spectrogram and a linear model on it."""

    segments: int = pydantic.Field(default=4, ge=1)
    """Stretches of time whose spectra are taken apart."""
    bands: int = pydantic.Field(default=32, ge=1, le=1_000_000)
    """Bands of frequency, equally wide in its logarithm."""
    penalty: float = pydantic.Field(default=1e-2, gt=0)
    """Of the sum of squared weights of an answer, mean over answers."""


class LogSpectrum(nn.Module):
    """An affine map of log powers in bands of frequency and stretches of time, to logits or values.

    Bands are bands of physical frequency, up to half the sampling rate of the training. Where the rate of the inputs
    is too low for a band, it counts as average.

    Arguments:
        answers: logits or values.
        segments, bands: as in `LogSpectrumConfig`.
        length: times of a training sequence, which limits the lowest band.
        inputs, outputs: what standardises signals and restores values.
        dt: step of the training.
        penalty: as in `LogSpectrumConfig`.
        classifies: whether the answers are logits.
    """

    mean: Tensor
    std: Tensor
    dt: Tensor

    def __init__(
        self,
        answers: int,
        *,
        segments: int,
        bands: int,
        length: int,
        inputs: Units,
        outputs: Units,
        dt: float,
        penalty: float,
        classifies: bool,
    ) -> None:
        super().__init__()
        self.inputs, self.outputs, self.segments, self.classifies = inputs, outputs, segments, classifies
        self.lowest, self.penalty = segments / length, penalty
        self.bands = bands
        self.affine = nn.Linear(inputs.channels * segments * bands, answers)
        nn.init.zeros_(self.affine.weight)
        nn.init.zeros_(self.affine.bias)
        self.register_buffer("mean", torch.zeros(self.affine.in_features))
        self.register_buffer("std", torch.ones(self.affine.in_features))
        self.register_buffer("dt", torch.tensor(dt, dtype=torch.float64))

    def features(self, signals: Float[Tensor, "batch time signal"], dt_scale: float = 1.0) -> Float[Tensor, "batch n"]:
        """Log powers, NaN in bands without a frequency."""
        length = signals.shape[1] // self.segments
        if length < 2:
            raise UserError("a sequence is too short for its spectrogram", got=f"{signals.shape[1]} times",
                            expected=f"two for each of the {self.segments} segments")  # fmt: skip
        pieces = self.inputs.standardise(signals)[:, : length * self.segments].transpose(1, 2)
        pieces = pieces.unflatten(2, (self.segments, length))
        window = torch.hann_window(length, periodic=False, dtype=signals.dtype, device=signals.device)
        spectrum = torch.fft.rfft((pieces - pieces.mean(-1, keepdim=True)) * window)
        power = spectrum.abs().square()[..., 1:] / window.square().sum()
        share = torch.arange(1, power.shape[-1] + 1, device=signals.device, dtype=torch.float64) / (length * dt_scale)
        place = (share / self.lowest).log() / math.log(0.5 / self.lowest) * self.bands
        belongs = nn.functional.one_hot(place.floor().long().clamp(0, self.bands - 1), self.bands).to(power)
        counts = belongs.sum(0)
        means = (power @ belongs) / counts  # NaN in empty bands
        return (means + _FLOOR).log().flatten(1)

    def forward(self, signals: Float[Tensor, "batch time signal"], dt_scale: float = 1.0) -> Tensor:
        """Logits or values, ``batch answer``."""
        scaled = (self.features(signals, dt_scale) - self.mean) / self.std
        empty = self.features(torch.zeros_like(signals[:1]), dt_scale).isnan()
        return self.outputs.restore(self.affine(torch.where(empty, torch.zeros_like(scaled), scaled)))

    def fit(self, batch: SequenceBatch) -> None:
        """Minimise cross-entropy or squared error with a penalty; both are convex."""
        with torch.no_grad():
            values = self.features(batch.signals)
            empty = values.isnan()
            values = torch.where(empty, torch.zeros_like(values), values)
            std = values.std(0, correction=0)
            self.mean.copy_(values.mean(0))
            self.std.copy_(torch.where(std > 0, std, torch.ones_like(std)))
            scaled = (values - self.mean) / self.std
            wanted = batch.targets if self.classifies else self.outputs.standardise(batch.targets)
        optimiser = torch.optim.LBFGS(self.affine.parameters(), max_iter=200, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimiser.zero_grad()
            answers = self.affine(scaled)
            error = cross_entropy(answers, wanted) if self.classifies else (answers - wanted).square().mean()
            loss = error + self.penalty * self.affine.weight.square().sum() / len(self.affine.weight)
            loss.backward()
            return loss

        with torch.enable_grad():
            optimiser.step(closure)  # pyright: ignore[reportArgumentType] (torch's stub wants a float)
        self.affine.zero_grad()


_RECIPES = {
    preset: Recipe[LogSpectrumConfig, SequencesConfig](
        model=LogSpectrumConfig(segments=segments), task=SequencesConfig(), train=TrainConfig(steps=0)
    )
    for preset, segments in {"tiny": 4, "small": 8, "paper": 8}.items()
}


class LogSpectrumSolver(SequencesSolver[LogSpectrumConfig, LogSpectrum]):
    """Classes and values by a linear model on the logarithm of the spectrogram."""

    key = "log_spectrum"
    title = "Log spectrum, linear"
    citation = "multinomial logistic regression or ridge on short-time power spectra"
    claim = ""
    rule = None

    def supports(self, problem: Problem) -> Support:
        """A problem that `HasSequences` answered with values or classes."""
        support = super().supports(problem)
        if isinstance(problem, HasSequences) and problem.target == "signal":
            return Support(False, "its sequences are answered with signals")
        return support

    def recipe(self, preset: str) -> Recipe[LogSpectrumConfig, SequencesConfig]:
        """Larger presets take the spectra of shorter stretches."""
        return recipe_of(_RECIPES, preset)

    def build(self, problem: HasSequences, model: LogSpectrumConfig, context: SequencesContext) -> LogSpectrum:
        """A model that answers with the mean, or with equal probabilities."""
        inputs, outputs = units_of(context)
        classifies = problem.target == "class"
        return LogSpectrum(
            len(problem.classes) if classifies else len(problem.fields),
            segments=model.segments,
            bands=model.bands,
            length=context.length,
            inputs=inputs,
            outputs=outputs,
            dt=context.dt,
            penalty=model.penalty,
            classifies=classifies,
        )

    def loss(self, module: LogSpectrum, batch: SequenceBatch, along: float = 1.0) -> Tensor:
        """Cross-entropy, or mean squared error in variances of each target."""
        answers = module(batch.signals, step_of(Signals(batch.signals, batch.times), float(module.dt)))
        if module.classifies:
            return cross_entropy(answers, batch.targets)
        return ((answers - batch.targets) / module.outputs.field_std).square().mean().float()

    @torch.no_grad()
    def predict(self, module: LogSpectrum, inputs: Signals) -> Prediction:
        """Values in physical units, or probabilities of the classes."""
        answers = module(inputs.signals, step_of(inputs, float(module.dt))).float()
        finite = answers.isfinite().all(1)
        mean = answers.softmax(dim=1) if module.classifies else answers
        return Prediction(mean, None, torch.where(finite, int(Status.OK), int(Status.DIVERGED)))

    def solve_closed_form(self, module: LogSpectrum, examples: Examples[SequenceBatch]) -> bool:
        """Fit by L-BFGS on all training sequences."""
        every = examples.batch(torch.arange(len(examples)), rng.generator(0, "log_spectrum"))
        module.fit(every.to(module.mean.device))
        return True
