"""The tools `search` and `latency`."""

import json
import time
from collections.abc import Callable
from typing import NamedTuple

from sciml.core import rng
from sciml.core.types import Support
from sciml.metrics import Metric
from sciml.tools._budget import shortened
from sciml.tools._contract import Findings, FindingsFigure, FindingsTable, Probe, Search, Subject
from sciml.tools.search._config import MeasureConfig, SearchConfig
from sciml.tools.search._gradient import Searched, search_by_gradient
from sciml.tools.search._learned import (
    SCALES,
    Learned,
    accuracy_figure,
    accuracy_metrics,
    accuracy_table,
    check_target,
    learn,
)
from sciml.tools.search._pick import TOLERANCE, Candidate, shortlist
from sciml.tools.search._trials import Objective, Trial, pareto, run_trials
from sciml.train import AnyRecipe, AnySolver, Choice, Choices, Searchable

FILE = "latency.json"
_SHORTLIST = 6  # networks that are measured before one is taken


class Taken(NamedTuple):
    """The network that is kept.

    Fields:
        choices: what it is.
        cost: measured.
        predicted: cost.
    """

    choices: dict[str, Choice]
    cost: float
    predicted: float


def supported(solver: AnySolver) -> Support:
    """A solver that trains a network and offers a space of them."""
    if solver.rule is None:
        return Support(False, "it takes no training steps, so it has no network to search for")
    if not isinstance(solver, Searchable):
        return Support(False, "it offers no space of architectures (sciml.train.Searchable)")
    return Support(True)


class LatencyProbe(Probe[MeasureConfig]):
    """Random networks of a solver's space measured on this machine, and how well their cost can be predicted."""

    key = "latency"
    title = "Latency of a search space"
    citation = "Xu et al., Latency-aware differentiable neural architecture search, arXiv:2001.06392"
    config = MeasureConfig

    def supports(self, solver: AnySolver) -> Support:
        """A solver that trains a network and offers a space of them."""
        return supported(solver)

    def probe(self, subject: Subject, config: MeasureConfig) -> Findings:
        """Measure, learn, and write the file that `search` reads."""
        learned = learn(subject, config, rng.derive(subject.seed, "latency"))
        conditions, accuracy = learned.table.conditions, learned.accuracy
        grid = f" on {' x '.join(map(str, conditions.grid))} points" if conditions.grid else ""
        words = (
            f"{len(learned.table.nets)} networks of the space measured{grid}, {conditions.device}, "
            f"{conditions.threads} thread, {conditions.dtype}: {learned.said(min(learned.table.costs))} to "
            f"{learned.said(max(learned.table.costs))}, that of this run {learned.said(learned.table.anchor)}.",
            f"Held-out networks are predicted within {100 * accuracy.error:.2g} % on average.",
            f"Read by search as latency={FILE}, on this machine only.",
        )
        return Findings(
            accuracy_metrics(learned),
            words=words,
            tables=(accuracy_table(learned),),
            figures=(accuracy_figure(learned),),
            files={FILE: learned.table.model_dump_json()},
        )


class ArchitectureSearch(Search[SearchConfig]):
    """A network for a solver's space that errs little and costs little, as measured on this machine."""

    key = "search"
    title = "Architectures by latency"
    citation = (
        "Xu et al., Latency-aware differentiable neural architecture search, arXiv:2001.06392; Liu, Simonyan, Yang, "
        "DARTS, ICLR 2019, arXiv:1806.09055; target: Luo et al., LightNAS, DAC 2022; controls: Real et al., AAAI 2019, "
        "arXiv:1802.01548; Akiba et al., Optuna, KDD 2019"
    )
    config = SearchConfig
    metrics = (
        Metric("search/cost_of_parent", "cost over that of the run searched from", cost=True),
        Metric("search/target_miss", "distance of the cost from its target, relative"),
        Metric("search/search_seconds", "time of the search", units="s", cost=True),
        Metric("search/predictor_error", "error of predicted costs"),
    )

    def supports(self, solver: AnySolver) -> Support:
        """A solver that trains a network and offers a space of them."""
        return supported(solver)

    def search(
        self, subject: Subject, config: SearchConfig, score: Callable[[AnyRecipe], float]
    ) -> tuple[AnyRecipe, Findings]:
        """Learn what networks cost, search, measure the likeliest, and take one."""
        seed, target = rng.derive(subject.seed, "search"), config.wanted()
        learned = learn(subject, config, seed, config.latency)
        if target is not None:
            subject.keep("target", lambda: _checked(learned, subject, target, config, seed))
        if config.method == "gradient":
            taken, findings = _by_gradient(subject, learned, config, target, score, seed)
        else:
            taken, findings = _by_trials(subject, learned, config, target, score, seed)
        model = learned.space.model(taken.choices)
        return subject.recipe.model_copy(update={"model": model}), _described(learned, taken, target, findings)


def _checked(learned: Learned, subject: Subject, target: float, config: SearchConfig, seed: int) -> str:
    check_target(learned, subject, target, config, seed)
    return "met"


def _by_gradient(
    subject: Subject,
    learned: Learned,
    config: SearchConfig,
    target: float | None,
    score: Callable[[AnyRecipe], float],
    seed: int,
) -> tuple[Taken, Findings]:
    searched = search_by_gradient(
        subject, learned, config, penalty=config.penalty, target=target, stage=f"penalty-{config.penalty:g}"
    )
    taken = _take(subject, learned, config, _likely(learned, config, searched, target, seed), target, seed, "taken")
    gap = abs(searched.cost - taken.cost) / taken.cost if searched.cost else 0.0
    metrics = {"search_seconds": searched.seconds, "mixture_gap": gap, "price": searched.price}
    words = [f"The mixture was predicted to cost {learned.said(searched.cost)} at the end."] if searched.cost else []
    tables, figures = [_shares_table(learned, searched, taken)], []
    if config.sweep:
        trials = [Trial(taken.choices, _score(subject, learned, config, score)(taken.choices), taken.cost)]
        for penalty in config.sweep:
            other = search_by_gradient(
                subject, learned, config, penalty=penalty, target=None, stage=f"penalty-{penalty:g}-sweep"
            )
            metrics["search_seconds"] += other.seconds
            kept = _take(subject, learned, config, _likely(learned, config, other, None, seed), None, seed,
                         f"taken-{penalty:g}")  # fmt: skip
            trials.append(Trial(kept.choices, _score(subject, learned, config, score)(kept.choices), kept.cost))
        labels = [f"λ = {value:g}" for value in (config.penalty, *config.sweep)]
        tables.append(_trials_table(learned, trials, labels))
        figures.append(_pareto_figure(learned, trials, taken))
    return taken, Findings(metrics, words=tuple(words), tables=tuple(tables), figures=tuple(figures))


def _by_trials(
    subject: Subject,
    learned: Learned,
    config: SearchConfig,
    target: float | None,
    score: Callable[[AnyRecipe], float],
    seed: int,
) -> tuple[Taken, Findings]:
    objective = Objective(
        learned.space, _score(subject, learned, config, score), learned.cost, learned.unit, config.penalty, target
    )
    began = time.perf_counter()
    trials = run_trials(objective, config, seed)
    seconds = time.perf_counter() - began
    best = sorted(trials, key=objective.value)
    candidates = [Candidate(trial.choices, -objective.value(trial), trial.cost) for trial in best[:_SHORTLIST]]
    taken = _take(subject, learned, config, candidates, target, seed, "taken")
    front = pareto(trials)
    words = f"{len(trials)} networks trained; {len(front)} of them are beaten by none in both error and cost."
    labels = [str(number + 1) for number in range(len(trials))]
    return taken, Findings(
        {"trials": float(len(trials)), "best_score": best[0].score, "search_seconds": seconds},
        words=(words,),
        tables=(_trials_table(learned, trials, labels),),
        figures=(_pareto_figure(learned, trials, taken),),
    )


def _score(
    subject: Subject, learned: Learned, config: SearchConfig, score: Callable[[AnyRecipe], float]
) -> Callable[[Choices], float]:
    recipe, steps = subject.recipe, config.trial_steps
    train = recipe.train if steps is None else shortened(recipe.train, steps)
    return lambda choices: score(recipe.model_copy(update={"model": learned.space.model(choices), "train": train}))


def _likely(
    learned: Learned, config: SearchConfig, searched: Searched, target: float | None, seed: int
) -> list[Candidate]:
    return shortlist(
        learned.space, searched.shares, learned.predict, target=target, skip_cap=config.skip_cap, count=_SHORTLIST,
        seed=seed,
    )  # fmt: skip


def _take(
    subject: Subject,
    learned: Learned,
    config: SearchConfig,
    candidates: list[Candidate],
    target: float | None,
    seed: int,
    name: str,
) -> Taken:
    """The first of some candidates; with a target the first whose measured cost meets it, or the nearest.

    Decided once, since measured times differ.
    """

    def decide() -> str:
        few = candidates[: 1 if target is None else _SHORTLIST]
        costs = learned.measured(subject, [one.choices for one in few], config, seed)
        index = 0
        if target is not None:
            away = [abs(cost / target - 1) for cost in costs]
            index = next((i for i, miss in enumerate(away) if miss <= TOLERANCE / 2), away.index(min(away)))
        return json.dumps([few[index].choices, costs[index], few[index].cost])

    return Taken(*json.loads(subject.keep(name, decide)))


def _described(learned: Learned, taken: Taken, target: float | None, findings: Findings) -> Findings:
    """With what was taken, and how good the predictor is."""
    share, skips = taken.cost / learned.table.anchor, learned.space.skips(taken.choices)
    existing = [slot for slot in learned.space.slots if learned.space.exists(slot, taken.choices)]
    words = [
        f"Found: {', '.join(f'{slot.name} {taken.choices[slot.name]}' for slot in existing)}.",
        f"It costs {learned.said(taken.cost)} as measured ({learned.said(taken.predicted)} predicted), {share:.3g} "
        f"times what the parent costs; {skips} blocks are skipped.",
    ]
    metrics = {"cost": taken.cost, "cost_predicted": taken.predicted, "cost_of_parent": share, "skips": float(skips)}
    if target is not None:
        miss = taken.cost / target - 1
        side = "above" if miss > 0 else "below"
        words.append(f"That is {100 * abs(miss):.2g} % {side} the target of {learned.said(target)}.")
        metrics |= {"target": target, "target_miss": abs(miss)}
    return Findings(
        {**metrics, **findings.metrics, **accuracy_metrics(learned)},
        words=(*words, *findings.words),
        tables=(*findings.tables, accuracy_table(learned)),
        figures=(*findings.figures, accuracy_figure(learned)),
        files={FILE: learned.table.model_dump_json()},
    )


def _shares_table(learned: Learned, searched: Searched, taken: Taken) -> FindingsTable:
    rows: list[tuple[str | float, ...]] = []
    for slot, share in zip(learned.space.slots, searched.shares, strict=True):
        likeliest = slot.choices[int(share.argmax())]
        kept = taken.choices[slot.name] if learned.space.exists(slot, taken.choices) else "none"
        rows.append((slot.name, str(kept), str(likeliest), float(share.max())))
    return FindingsTable("Choices", ("slot", "taken", "likeliest", "its share"), tuple(rows), "its share")


def _trials_table(learned: Learned, trials: list[Trial], labels: list[str]) -> FindingsTable:
    factor, unit = SCALES[learned.table.quantity]
    front = {id(trial) for trial in pareto(trials)}
    rows: list[tuple[str | float, ...]] = [
        (label, _short(learned, trial.choices), _finite(trial.score), factor * trial.cost,
         "yes" if id(trial) in front else "no")
        for label, trial in zip(labels, trials, strict=True)
    ]  # fmt: skip
    columns = ("network", "choices", "validation score", f"{learned.table.quantity} [{unit}]", "beaten by none")
    return FindingsTable("Networks tried", columns, tuple(rows))


def _pareto_figure(learned: Learned, trials: list[Trial], taken: Taken) -> FindingsFigure:
    factor, unit = SCALES[learned.table.quantity]
    kept = [trial for trial in trials if isinstance(_finite(trial.score), float)]
    front = pareto(kept)
    winners = [trial for trial in kept if trial.choices == taken.choices]

    def across(some: list[Trial]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        return tuple(factor * one.cost for one in some), tuple(one.score for one in some)

    return FindingsFigure(
        "Error against cost",
        f"{learned.table.quantity} [{unit}]",
        "validation score",
        {"tried": across(kept), "beaten by none": across(front), "taken": across(winners[:1])},
        points=("tried", "taken"),
        caption=f"{len(kept)} networks; the line joins the {len(front)} that no other one beats in both.",
    )


def _short(learned: Learned, choices: Choices) -> str:
    slots = (slot for slot in learned.space.slots if learned.space.exists(slot, choices))
    return " ".join(str(choices[slot.name]) for slot in slots)


def _finite(score: float) -> float | str:
    return score if abs(score) < float("inf") else "diverged"
