"""The study file: what is asked of which variants, and which claims the answers decide.

A study file is TOML::

    title = "Waves at equal parameters"
    question = "Does splitting one U-Net into K waves lower the rollout error?"
    problem = "…"
    preset = "small"
    seeds = [0, 1, 2]
    parameters = 300000              # every variant with a size is matched to this count
    budgets = ["steps", "time"]      # the recipe's steps; and as many steps as fit the time of `clock`
    clock = "sinenet_2"

    [[variants]]
    name = "sinenet_2"
    label = "SineNet, K = 2"
    solver = "sinenet"
    settings = ["model.waves=2"]

    [[claims]]
    text = "Circular padding lowers the rollout error by more than 25 %"
    metric = "rollout/relative_l2"
    better = "sinenet_2"
    worse = "sinenet_2_zeros"
    margin = 0.25                    # or tolerance = 0.01: at most that much worse, in the metric's units;
                                     # or factor = 10: at most a tenth of it

A variant may be what tools make of another one, whose runs it starts from::

    [[variants]]
    name = "sinenet_half"
    label = "SineNet at half of the FLOPs"
    of = "sinenet_2"
    tools = [{ tool = "low_rank", settings = ["flops=0.5"] }]

The other one may be made by tools itself: chains share what they have in common.

A question that is asked of several problems names them with its variants (``problem = "..."``); the study's own is
that of those that name none.
"""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import pydantic

from sciml.core import paths
from sciml.core.config import Config, parse, read_toml
from sciml.core.errors import UserError
from sciml.metrics import Metric
from sciml.tools import registered_tools


class ToolUse(Config):
    """A tool and its settings."""

    tool: str
    settings: tuple[str, ...] = ()
    """``key=value`` changes to the tool's settings."""
    others: tuple[str, ...] = pydantic.Field(default=(), alias="with")
    """Variants whose runs of the same seed a tool that merges runs is given beside this one's."""

    model_config = pydantic.ConfigDict(populate_by_name=True)


class Variant(Config):
    """One contestant."""

    name: str
    """Lower snake case: its runs lie in a folder of this name."""
    label: str
    solver: str = ""
    """Key of a solver; left out where `of` names the variant whose solver it is."""
    problem: str = ""
    """Another problem than the study's, for a question that is asked of several."""
    settings: tuple[str, ...] = ()
    """``key=value`` changes to the recipe."""
    of: str = ""
    """The variant whose runs the tools are applied to: one above it, trained or made by tools itself."""
    tools: tuple[ToolUse, ...] = ()
    """What is done to each of them, one after the other; the results are those of the last child run."""
    shift: int = pydantic.Field(default=0, ge=0)
    """Added to the seed of its runs: another initialisation and order of batches than another variant's."""
    matched: bool = True
    """Whether it is brought to the study's parameter count."""
    line: str = ""
    """Variants of the same line are joined in a figure over what the study varies."""
    at: float | None = None
    """Where on that line it stands."""

    @pydantic.model_validator(mode="after")
    def _trained_or_made(self) -> "Variant":
        if self.of and self.shift:
            raise ValueError("a variant `of` another one starts from the other's runs, and has no `shift`")
        if self.of and (self.solver or self.problem or self.settings or not self.tools):
            raise ValueError(
                "a variant `of` another one has `tools`, and no solver, problem or settings: those are the other's"
            )
        if self.tools and not self.of:
            raise ValueError("`tools` act on the runs of another variant, which `of` names")
        if not (self.of or self.solver):
            raise ValueError("a variant has a `solver`, or is made by tools `of` another variant")
        return self


class Claim(Config):
    """A statement the study decides, seed by seed.

    `better` has a metric lower than `worse` (higher, where that is better) by a share of more than `margin`; or, if a
    `tolerance` is given, a metric of at most that of `worse` plus the tolerance; or, if a `factor` is given, one that
    is lower by more than this factor, judged on the logarithms. With a `target`, distances from it are compared.
    """

    text: str
    metric: str
    better: str
    worse: str
    against: str = ""
    """Metric of `worse`, where it is another one of the same units; `better` and `worse` may be one variant then."""
    margin: float = 0.0
    """Share of the metric of `worse`; a negative one allows to be worse (-0.05: by less than 5 %)."""
    tolerance: float | None = None
    """Used instead of `margin` where given, in the metric's own units: 0.01 of an accuracy is one point.
    With a negative one `better` must be better by as much."""
    factor: float | None = pydantic.Field(default=None, gt=0)
    """Used instead of `margin` where given: for errors that differ by orders of magnitude. One below 1 allows to be
    worse (0.5: by less than twice)."""
    target: float | None = None
    """The value that a metric should have which is neither better high nor low, such as a coefficient that is known."""
    budget: str = "steps"

    def judged(self, metric: Metric) -> Metric:
        """The metric as this claim judges it."""
        return metric if self.target is None else replace(metric, better="target", target=self.target)

    @pydantic.model_validator(mode="after")
    def _one_measure(self) -> "Claim":
        if (self.tolerance is not None) + (self.factor is not None) + bool(self.margin) > 1:
            raise ValueError("a claim has one of margin (a share), tolerance (absolute) and factor")
        if self.better == self.worse and self.against in ("", self.metric):
            raise ValueError(f"a claim compares {self.better!r} with itself")
        return self


class AtPreset(Config):
    """What another preset than the file's changes, the table ``[presets.NAME]``: sizes fit one amount of data."""

    parameters: int | None = pydantic.Field(default=None, gt=0)
    """In place of the file's; left out, variants keep the sizes of their recipes."""
    seeds: tuple[int, ...] | None = pydantic.Field(default=None, min_length=1)
    """In place of the file's; left out, those."""
    settings: tuple[str, ...] = ()
    """In place of the file's."""
    setup: str = ""
    """In place of the file's."""


class Study(Config):
    """The study file."""

    title: str
    question: str
    problem: str
    preset: str
    seeds: tuple[int, ...] = pydantic.Field(default=(0, 1, 2), min_length=1)
    parameters: int | None = pydantic.Field(default=None, gt=0)
    budgets: tuple[Literal["steps", "time"], ...] = ("steps",)
    clock: str | None = None
    """The variant whose training time the ``time`` budget grants to all."""
    settings: tuple[str, ...] = ()
    """Changes to every variant's recipe."""
    seeded: tuple[str, ...] = ()
    """Settings that have the seed for a value: with ``task.draw``, run k sees the k-th draw of the noise."""
    along: str = ""
    """What the lines of variants run along: "training cases"."""
    setup: str = ""
    """What a reader must know of the conditions."""
    metrics: tuple[str, ...] = ("one_step/relative_l2", "rollout/relative_l2")
    variants: tuple[Variant, ...] = pydantic.Field(min_length=1)
    claims: tuple[Claim, ...] = ()
    presets: dict[str, AtPreset] = {}
    """The study at other presets; one without a table is run with the file's sizes and settings."""

    def at(self, preset: str) -> "Study":
        """The same study on the data of another preset."""
        changes: dict[str, object] = {"preset": preset}
        if preset != self.preset and preset in self.presets:
            other = self.presets[preset]
            changes |= {"parameters": other.parameters, "settings": other.settings, "setup": other.setup or self.setup,
                        "seeds": other.seeds or self.seeds}  # fmt: skip
        return self.model_copy(update=changes)

    @pydantic.model_validator(mode="after")
    def _names(self) -> "Study":
        names = [variant.name for variant in self.variants]
        for name in names:
            try:
                paths.check_name(name, "variant")
            except UserError as error:
                raise ValueError(str(error)) from None
        if len(set(names)) != len(names):
            raise ValueError("two variants have the same name")
        if len(set(self.seeds)) != len(self.seeds):
            raise ValueError("two seeds are the same")
        trained = {variant.name for variant in self.variants if not variant.of}
        for place, variant in enumerate(self.variants):
            if variant.of and variant.of not in names[:place]:
                raise ValueError(f"{variant.name!r} is made of {variant.of!r}, which is no variant above it")
            for name in (name for use in variant.tools for name in use.others):
                if name not in trained or name == variant.of:
                    raise ValueError(f"{variant.name!r} merges {name!r}, which is no other variant that is trained")
        if self.clock and self.clock not in trained:
            raise ValueError(f"`clock` is {self.clock!r}, which is no variant that is trained")
        wanted = [self.clock] if self.clock else []
        for name in [*wanted, *(n for claim in self.claims for n in (claim.better, claim.worse))]:
            if name not in names:
                raise ValueError(f"{name!r} is not the name of a variant")
        if missing := {claim.budget for claim in self.claims} - set(self.budgets):
            raise ValueError(f"a claim is about the budget {min(missing)!r}, which is not one of `budgets`")
        if "time" in self.budgets and self.clock is None:
            raise ValueError("the budget 'time' needs `clock`, the variant whose time is granted")
        return self

    @property
    def asked(self) -> set[str]:
        """The metrics that it shows or claims something of."""
        return {*self.metrics, *self.claimed}

    @property
    def claimed(self) -> set[str]:
        """The metrics that it claims something of."""
        return {key for claim in self.claims for key in (claim.metric, claim.against) if key}

    def tool_metrics(self, variant: Variant) -> tuple[Metric, ...]:
        """What the tools that make a variant declare, as far as they are registered here."""
        here, uses = registered_tools(), [use for maker in self.line_of(variant) for use in maker.tools]
        return tuple(metric for use in uses if use.tool in here for metric in here[use.tool].metrics)

    def problem_of(self, variant: Variant) -> str:
        """The problem that a variant is trained on."""
        return self.trained(variant).problem or self.problem

    @property
    def problems(self) -> tuple[str, ...]:
        """All problems, the study's own first where a variant is trained on it."""
        named = [self.problem_of(variant) for variant in self.variants]
        return tuple(dict.fromkeys([*(name for name in named if name == self.problem), *named]))

    def trained(self, variant: Variant) -> Variant:
        """The variant that is trained for this one: itself, or the one that tools begin with."""
        return self.line_of(variant)[0]

    def data_of(self, variant: Variant) -> tuple[str, tuple[str, ...]] | None:
        """What the data of a variant follow from, equal for two on the same data; None where the seed draws them."""
        if self.seeded:
            return None
        return self.problem_of(variant), tuple(s for s in self.trained(variant).settings if s.startswith("task."))

    def line_of(self, variant: Variant) -> list[Variant]:
        """The variants that lead to this one, the trained one first and itself last."""
        line, named = [variant], {entry.name: entry for entry in self.variants}
        while line[0].of:
            line.insert(0, named[line[0].of])
        return line


def read_study(path: Path) -> Study:
    """Read a study file; raises ConfigError for what is missing, unknown or inconsistent."""
    return parse(Study, read_toml(path), str(path))
