"""The rewrite `similarity`."""

from torch import nn

from sciml.core import rng
from sciml.core.errors import ConfigError
from sciml.core.types import Support
from sciml.nn.tversky import TverskySimilarity
from sciml.tools._budget import shortened
from sciml.tools._contract import AnyRule, Findings, FindingsTable, Rewrite, Subject
from sciml.tools.similarity._apply import apply_similarity
from sciml.tools.similarity._config import SimilarityConfig, SimilarityPlan
from sciml.tools.similarity._plan import plan_similarity
from sciml.tools.similarity._rule import SimilarityRule, freeze_others, thaw
from sciml.train import AnySolver, GradientRule, TrainConfig, default_rule

_SETTLE = 1 / 3  # of the steps, at the end, in which features stay
CITATION = (
    "Tversky, Features of similarity, Psychological Review 84 (1977) 327; Doumbouya, Jurafsky, Manning, Tversky neural "
    "networks, arXiv:2506.11035"
)


class SimilarityRewrite(Rewrite[SimilarityConfig, SimilarityPlan]):
    """Linear layers, or the product of branch and trunk, replaced by Tversky similarity to learned prototypes."""

    key = "similarity"
    title = "Similarity for linear layers"
    citation = CITATION
    config = SimilarityConfig
    plan_type = SimilarityPlan
    cheaper = False

    def supports(self, solver: AnySolver) -> Support:
        """A solver that trains a network of ordinary layers by first-order steps."""
        return supports_similarity(solver)

    def plan(self, subject: Subject, config: SimilarityConfig) -> SimilarityPlan:
        """Layers, sizes and scales, from one batch of training examples."""
        if config.frozen and config.start == "scratch":
            raise ConfigError("fresh layers that stay as they are learn nothing", got="frozen=true, start='scratch'",
                              fix="Leave out one of both.")  # fmt: skip
        return plan_similarity(subject, config)

    def apply(self, module: nn.Module, plan: SimilarityPlan) -> nn.Module:
        """The new layers, without their weights."""
        return apply_similarity(module, plan)

    def transfer(self, module: nn.Module, plan: SimilarityPlan) -> nn.Module:
        """The new layers, whose prototypes are the rows of the old ones."""
        return apply_similarity(module, plan)

    def restarts(self, config: SimilarityConfig) -> bool:
        """From scratch."""
        return config.start == "scratch"

    def training(self, config: SimilarityConfig, recipe: TrainConfig) -> TrainConfig | None:
        """Half of the solver's steps by its own method, or as many as are asked for; from scratch all of them."""
        steps = recipe.steps if config.start == "scratch" else max(1, recipe.steps // 2)
        return shortened(recipe, config.finetune_steps or steps, config.learning_rate)

    def rule(
        self, subject: Subject, module: nn.Module, train: TrainConfig, config: SimilarityConfig, plan: SimilarityPlan
    ) -> AnyRule | None:
        """The solver's own steps, of the new layers alone where the others are frozen."""
        frozen = freeze_others(module, list(plan.layers)) if config.frozen else []
        solver, examples = subject.solver, subject.bench().examples
        inner = solver.step_rule(module, examples, train)
        inner = inner or default_rule(module, solver.loss, examples, train, seed=subject.seed)
        banks = any(isinstance(inner_module, TverskySimilarity) for inner_module in module.modules())
        return SimilarityRule(
            inner,
            module,
            every=config.revive_every if banks else 0,
            last=round((1 - _SETTLE) * train.steps),
            frozen=frozen,
            seed=rng.derive(subject.seed, "similarity"),
        )

    def finish(self, module: nn.Module, plan: SimilarityPlan) -> tuple[nn.Module, SimilarityPlan]:
        """The module with every parameter in training again."""
        thaw(module)
        return module, plan

    def findings(self, plan: SimilarityPlan) -> Findings:
        """Which layers were replaced, what they share, and what that makes of the parameters."""
        before, after = plan.parameters
        banks = {form.bank for form in plan.layers.values()}
        what = {"tversky": "Tversky similarity", "mlp": "a perceptron", "linear": "a fresh linear layer"}[plan.kind]
        words = [
            f"{len(plan.layers)} layers replaced by {what}; {after:,} parameters, before {before:,} "
            f"({100 * (after / before - 1):+.1f} %)."
        ]
        if plan.kind == "tversky":
            words[0] = words[0].replace(";", f", with {len(banks)} banks of features;", 1)
        words += [f"{name} is left as it is: {reason}." for name, reason in plan.skipped.items()]
        rows = tuple(
            (name, form.channels_in, form.channels_out, form.features, form.bank, form.prototypes)
            for name, form in plan.layers.items()
        )
        columns = ("layer", "inputs", "outputs", "features", "bank", "prototypes")
        numbers = {"layers": float(len(plan.layers)), "parameters_share": after / before}
        return Findings(
            numbers, words=tuple(words), tables=(FindingsTable("Layers that were replaced", columns, rows),)
        )


def supports_similarity(solver: AnySolver) -> Support:
    """Whether the layers of a solver's networks can be replaced."""
    if solver.rule is None:
        return Support(False, "it takes no training steps, so it has no network whose layers could be replaced")
    if solver.knob is None:
        return Support(False, "its networks are rebuilt by its own steps, or are no networks")
    if not issubclass(solver.rule, GradientRule):
        return Support(False, "its own kind of step differentiates plain layers only")
    if solver.differentiates:
        return Support(False, f"its loss differentiates {solver.differentiates} by rules of plain layers")
    return Support(True)
