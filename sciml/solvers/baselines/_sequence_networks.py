"""Recurrent and convolutional networks as solvers of sequences."""

from typing import Literal

import pydantic

from sciml.core.capabilities import HasSequences
from sciml.core.config import Config
from sciml.core.errors import ConfigError
from sciml.models import CausalCNN, RecurrentNetwork
from sciml.tasks.sequences import SequenceNetworkSolver, SequencesConfig, SequencesContext, units_of
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class RecurrentConfig(Config):
    """A stack of recurrent layers."""

    cell: Literal["lstm", "gru"] = "lstm"
    """Kind of the layers."""
    hidden: int = pydantic.Field(default=24, ge=1)
    """Size of the state."""
    depth: int = pydantic.Field(default=1, ge=1, le=1000)
    """Layers."""
    dropout: float = pydantic.Field(default=0.0, ge=0, lt=1)
    """Between layers, in training."""


class CausalCNNConfig(Config):
    """A stack of dilated causal convolutions."""

    width: int = pydantic.Field(default=10, ge=1)
    """Features."""
    depth: int = pydantic.Field(default=6, ge=1, le=1000)
    """Layers, each with twice the dilation of the one before."""
    kernel: int = pydantic.Field(default=5, ge=1)
    """Points of a filter."""
    dropout: float = pydantic.Field(default=0.0, ge=0, lt=1)
    """In training."""


_TRAIN = {
    "tiny": TrainConfig(steps=300, batch_size=32, learning_rate=2e-2, weight_decay=0.0, evaluate_every=50),
    "small": TrainConfig(steps=1500, batch_size=32, learning_rate=4e-3, weight_decay=0.0),
    "paper": TrainConfig(
        steps=200_000, batch_size=50, learning_rate=1e-3, weight_decay=0.0, evaluate_every=1000, checkpoint_every=1000
    ),
}
_RECURRENT = {
    "tiny": RecurrentConfig(),
    "small": RecurrentConfig(hidden=56),
    "paper": RecurrentConfig(hidden=220),
}
_GRU = {
    "tiny": RecurrentConfig(cell="gru", hidden=27),
    "small": RecurrentConfig(cell="gru", hidden=64),
    "paper": RecurrentConfig(cell="gru", hidden=254),
}
_CONVOLUTIONAL = {
    "tiny": CausalCNNConfig(),
    "small": CausalCNNConfig(width=20, depth=8),
    "paper": CausalCNNConfig(width=64, depth=10, dropout=0.1),
}
_TASK = {preset: SequencesConfig(strides=(2,) if preset == "tiny" else (2, 4)) for preset in _TRAIN}


class RecurrentSolver(SequenceNetworkSolver[RecurrentConfig]):
    """Sequences by an LSTM that is told the time step."""

    key = "lstm"
    title = "LSTM"
    citation = "Hochreiter, Schmidhuber, Long Short-Term Memory, Neural Computation 9 (1997)"
    claim = ""
    knob = Knob("hidden", 1, 4096)

    def recipe(self, preset: str) -> Recipe[RecurrentConfig, SequencesConfig]:
        """About as many parameters as LSSL has in the same preset."""
        return recipe_of(_RECURRENT_RECIPES, preset)

    def network(self, problem: HasSequences, model: RecurrentConfig, context: SequencesContext) -> RecurrentNetwork:
        """A network for the problem's signals and targets."""
        return _recurrent(problem, model, context)


class GRUSequenceSolver(SequenceNetworkSolver[RecurrentConfig]):
    """Sequences by a GRU that is told the time step."""

    key = "sequence_gru"
    title = "GRU"
    citation = (
        "Cho et al., Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine Translation, "
        "EMNLP 2014, arXiv:1406.1078"
    )
    claim = ""
    knob = Knob("hidden", 1, 4096)

    def recipe(self, preset: str) -> Recipe[RecurrentConfig, SequencesConfig]:
        """About as many parameters as LSSL has in the same preset."""
        return recipe_of(_GRU_RECIPES, preset)

    def network(self, problem: HasSequences, model: RecurrentConfig, context: SequencesContext) -> RecurrentNetwork:
        """A network for the problem's signals and targets."""
        return _recurrent(problem, model, context)


def _recurrent(problem: HasSequences, model: RecurrentConfig, context: SequencesContext) -> RecurrentNetwork:
    inputs, outputs = units_of(context)
    return RecurrentNetwork(
        len(problem.signals),
        len(problem.classes) if problem.target == "class" else len(problem.fields),
        cell=model.cell,
        hidden=model.hidden,
        depth=model.depth,
        dropout=model.dropout,
        pooled=problem.target != "signal",
        inputs=inputs,
        outputs=outputs,
    )


class CausalCNNSolver(SequenceNetworkSolver[CausalCNNConfig]):
    """Sequences by dilated causal convolutions."""

    key = "causal_cnn"
    title = "Causal CNN"
    citation = (
        "Bai, Kolter, Koltun, An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence "
        "Modeling, arXiv:1803.01271"
    )
    claim = ""
    knob = Knob("width", 1, 2048)

    def recipe(self, preset: str) -> Recipe[CausalCNNConfig, SequencesConfig]:
        """About as many parameters as LSSL has in the same preset."""
        return recipe_of(_CONVOLUTIONAL_RECIPES, preset)

    def network(self, problem: HasSequences, model: CausalCNNConfig, context: SequencesContext) -> CausalCNN:
        """A network for the problem's signals and targets. Raises ConfigError for sequences shorter than a filter."""
        if context.length < model.kernel:
            raise ConfigError("the sequences are shorter than a filter of the network",
                              got=f"{context.length} times, model.kernel={model.kernel}",
                              expected=f"model.kernel of at most {context.length}",
                              fix="Lower model.kernel, or give longer sequences.")  # fmt: skip
        inputs, outputs = units_of(context)
        return CausalCNN(
            len(problem.signals),
            len(problem.classes) if problem.target == "class" else len(problem.fields),
            width=model.width,
            depth=model.depth,
            kernel=model.kernel,
            dropout=model.dropout,
            pooled=problem.target != "signal",
            inputs=inputs,
            outputs=outputs,
        )


_RECURRENT_RECIPES = {
    preset: Recipe[RecurrentConfig, SequencesConfig](model=_RECURRENT[preset], task=_TASK[preset], train=train)
    for preset, train in _TRAIN.items()
}
_GRU_RECIPES = {
    preset: Recipe[RecurrentConfig, SequencesConfig](model=_GRU[preset], task=_TASK[preset], train=train)
    for preset, train in _TRAIN.items()
}
_CONVOLUTIONAL_RECIPES = {
    preset: Recipe[CausalCNNConfig, SequencesConfig](model=_CONVOLUTIONAL[preset], task=_TASK[preset], train=train)
    for preset, train in _TRAIN.items()
}
