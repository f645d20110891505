"""A Transformer as a solver of sequences."""

import pydantic

from sciml.core.capabilities import HasSequences
from sciml.core.config import Config
from sciml.models import SequenceTransformer
from sciml.tasks.sequences import SequenceNetworkSolver, SequencesConfig, SequencesContext, units_of
from sciml.train import Knob, Recipe, TrainConfig, recipe_of


class TransformerConfig(Config):
    """Blocks of causal attention."""

    head_size: int = pydantic.Field(default=5, ge=1)
    """Features of a head."""
    heads: int = pydantic.Field(default=4, ge=1, le=10_000)
    """How many heads there are; the network is their product wide."""
    depth: int = pydantic.Field(default=2, ge=1, le=1000)
    """Blocks."""
    dropout: float = pydantic.Field(default=0.0, ge=0, lt=1)
    """In training."""


_RECIPES = {
    "tiny": Recipe[TransformerConfig, SequencesConfig](
        model=TransformerConfig(depth=1),
        task=SequencesConfig(),
        train=TrainConfig(steps=300, batch_size=32, learning_rate=1e-2, weight_decay=0.0, evaluate_every=50),
    ),
    "small": Recipe[TransformerConfig, SequencesConfig](
        model=TransformerConfig(head_size=7),
        task=SequencesConfig(strides=(2, 4)),
        train=TrainConfig(steps=1500, batch_size=32, learning_rate=2e-3, weight_decay=0.0),
    ),
    "paper": Recipe[TransformerConfig, SequencesConfig](
        model=TransformerConfig(head_size=16, depth=6, dropout=0.1),
        task=SequencesConfig(strides=(2, 4)),
        train=TrainConfig(
            steps=200_000,
            batch_size=50,
            learning_rate=1e-3,
            weight_decay=0.0,
            evaluate_every=1000,
            checkpoint_every=1000,
        ),
    ),
}


class TransformerSolver(SequenceNetworkSolver[TransformerConfig]):
    """Sequences by a Transformer whose every time attends to the times before it."""

    key = "transformer"
    title = "Transformer"
    citation = "Vaswani et al., Attention Is All You Need, NeurIPS 2017, arXiv:1706.03762"
    claim = ""
    knob = Knob("head_size", 1, 1024)

    def recipe(self, preset: str) -> Recipe[TransformerConfig, SequencesConfig]:
        """About as many parameters as LSSL has in the same preset."""
        return recipe_of(_RECIPES, preset)

    def network(
        self, problem: HasSequences, model: TransformerConfig, context: SequencesContext
    ) -> SequenceTransformer:
        """A network for the problem's signals and targets."""
        inputs, outputs = units_of(context)
        return SequenceTransformer(
            len(problem.signals),
            len(problem.classes) if problem.target == "class" else len(problem.fields),
            head_size=model.head_size,
            heads=model.heads,
            depth=model.depth,
            dropout=model.dropout,
            pooled=problem.target != "signal",
            inputs=inputs,
            outputs=outputs,
        )
