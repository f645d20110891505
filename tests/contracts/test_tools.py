"""What every registered tool owes, on every solver that it supports: tested by being there."""

import contextlib
import copy
import math

import pytest
import torch

from sciml.core import registry, rng
from sciml.core.config import Config, override
from sciml.core.errors import UserError
from sciml.testing import PROBLEMS
from sciml.tools import Findings, Merge, Policy, Probe, Rewrite, Search, Subject, registered_tools
from sciml.tools.cost import count_flops, measure_cost
from sciml.train import Searchable, default_rule, load_weights, registered_solvers, save_weights, space_of

FIXTURES = PROBLEMS
TOOLS, SOLVERS = registered_tools(), registered_solvers()
SIZES = {"levels": 2, "waves": 1, "modes": 4, "width": 8, "hidden": 8, "units": 8, "members": 2, "folds": 2, "adam": 2}
SIZES["integrate"] = {"predict_rtol": 1e-3}
SPARING = {"shape": "gaussian", "cases": 4, "tolerances": []}
PATIENT = {"patience": 0.0, "fit_steps": 1, "families": ("block_diagonal", "monarch", "gblr")}
BRIEF = {"patience": 0.0, "nets": 12, "steps": 2}
KNOWN = {**PATIENT, "learning_rate": 1e-3, "decay": 7.0, "weight_decay": 0.6, "steps": 1000}
"""Settings of models, tasks and tools that make them small and quick, where they have them. The decay is
stated: untrained modules have learned nothing that could hold their weights, which is what pruning else asks for."""


@pytest.fixture(autouse=True)
def _brief(monkeypatch):
    """The contract asks for whole results, not good ones: one budget of blocks for each layer, few epochs of costs."""
    monkeypatch.setattr("sciml.tools.structure._families._LEVELS", (1.0,))
    monkeypatch.setattr("sciml.tools.search._predictor._EPOCHS", 20)


def problem_for(solver):
    folders = [folder for folder in sorted(FIXTURES.iterdir()) if (folder / "__init__.py").is_file()]
    candidates = (*(registry.find_problem(folder) for folder in folders), *registry.problems().values())
    return next(problem for problem in candidates if solver.supports(problem).ok)


def reduced(config, sizes):
    """A configuration with the sizes that it has, and that configurations inside it have."""
    present = {name: value for name, value in sizes.items() if name in type(config).model_fields}
    for name, value in present.items():
        if isinstance(inner := getattr(config, name), Config):
            present[name] = reduced(inner, value)
    return config.model_copy(update=present)


class Opened:
    """A solver on a problem as a tool sees it, without a run folder."""

    def __init__(self, solver, problem, folder):
        recipe = solver.recipe("tiny")
        task = reduced(recipe.task, SPARING)
        recipe = recipe.model_copy(update={"model": reduced(recipe.model, SIZES), "task": task})
        self.problem, self.solver, self.task, self.recipe, self.seed = problem, solver, solver.task, recipe, 0
        self._bench = solver.task.prepare(problem, "tiny", task)
        self.context, self.folder = self._bench.context, folder
        self.module = self.fresh()
        solver.solve_closed_form(self.module, self._bench.examples)
        self.module.eval()

    def fresh(self):
        rng.seed_everything(0)
        module = self.solver.build(self.problem, self.recipe.model, self.context)
        self.solver.initialise(module, self._bench.examples)
        return module

    def example(self):
        inputs = self._bench.example
        shorter = self.task.shorten(inputs)
        return inputs if shorter is None else shorter[0]

    def predict(self, module):
        inputs = self.example()
        return lambda: self.solver.predict(module, inputs)

    def bench(self):
        return self._bench

    def train(self, module, config, *, rule=None, sampler=None, stage=""):
        """One step, without scores."""
        examples = self._bench.examples
        rule = rule or self.solver.step_rule(module, examples, config)
        rule = rule or default_rule(module, self.solver.loss, examples, config, seed=0)
        chosen = torch.arange(min(4, len(examples)))
        assert bool(rule.step(examples.batch(chosen, rng.generator(0)), 0.0).isfinite())

    def keep(self, name, make):
        return make()

    def examine(self, module):
        return self._bench.examine(self.solver, module)

    def measure(self, module, patience=0.0):
        call = self.predict(module)
        return measure_cost(module, lambda _: call(), self.example(), batch=1, patience=patience)


@pytest.fixture(scope="session")
def opened(tmp_path_factory):
    """``opened(solver)``, each made once; nobody changes them."""
    home, subjects = tmp_path_factory.mktemp("tools"), {}

    def make(solver):
        if solver.key not in subjects:
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SCIML_HOME", str(home))
                subjects[solver.key] = Opened(solver, problem_for(solver), home)
        return subjects[solver.key]

    return make


def pairs(kind):
    """A tool of one shape with a solver that it supports, for each."""
    return [
        pytest.param(tool, solver, id=f"{tool.key}-{solver.key}")
        for tool in TOOLS.values()
        if isinstance(tool, kind)
        for solver in SOLVERS.values()
        if tool.supports(solver).ok
    ]


@pytest.fixture(params=sorted(TOOLS))
def tool(request):
    return TOOLS[request.param]


def test_it_says_what_it_is(tool):
    assert tool.title
    assert tool.citation
    assert isinstance(tool, Rewrite | Policy | Merge | Search | Probe)
    defaults = tool.config()
    assert type(defaults).model_validate_json(defaults.model_dump_json()) == defaults
    assert override(defaults, []) == defaults
    undescribed = tool.config.model_fields.keys() - tool.config.meanings().keys()
    assert not undescribed, "`sciml show` has nothing to say of these settings"


def test_it_says_why_it_does_not_support_a_solver(tool):
    answers = {key: tool.supports(solver) for key, solver in SOLVERS.items()}
    assert [key for key, answer in answers.items() if not answer.ok and not answer.reason] == []
    assert any(answer.ok for answer in answers.values())


def same_answer(subject, first, second, *, exactly=True):
    """Whether two modules predict the same to the bit, noise included, or to rounding."""
    answers = []
    for module in (first, second):
        rng.seed_everything(1)
        answers.append(subject.predict(module)().mean)
    return torch.equal(*answers) or (not exactly and torch.allclose(*answers, rtol=1e-3, atol=1e-5, equal_nan=True))


def brief(subject):
    """Settings of a short search, with two choices per slot where there are many slots."""
    if not isinstance(subject.solver, Searchable):
        return BRIEF
    space = space_of(subject.solver, subject.problem, subject.recipe.model, subject.context)
    return {**BRIEF, "choices": {slot.name: slot.choices[: 2 if len(space.slots) > 4 else 4] for slot in space.slots}}


def check_findings(findings):
    assert isinstance(findings, Findings)
    assert all(isinstance(value, float | int) and math.isfinite(value) for value in findings.metrics.values())
    assert all(line.strip() == line and line.endswith(".") for line in findings.words)


@pytest.mark.parametrize(("tool", "solver"), pairs(Probe))
def test_a_probe_leaves_the_module_alone(tool, solver, opened):
    subject = opened(solver)
    assert isinstance(subject, Subject)
    before, training = copy.deepcopy(subject.module.state_dict()), subject.module.training
    try:
        check_findings(tool.probe(subject, reduced(tool.config(), {**PATIENT, **brief(subject)})))
    except UserError as refusal:  # of what this very module has not
        if "of this module can be" not in str(refusal) and "this layer" not in str(refusal):
            raise
        pytest.skip(str(refusal))
    after = subject.module.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert before.keys() == after.keys()
    assert subject.module.training == training


def _plan_of_the_smallest_budget(tool, subject, config):
    """Of a state-space network less than a hundredth can be factored."""
    for flops in (0.95, 0.998):
        with contextlib.suppress(UserError):
            return tool.plan(subject, reduced(config, {"flops": flops}))
    return tool.plan(subject, reduced(config, {"flops": 0.999}))


@pytest.mark.parametrize(("tool", "solver"), pairs(Rewrite))
def test_a_rewrite_is_rebuilt_from_its_plan_alone(tool, solver, opened, tmp_path):
    subject, config = opened(solver), reduced(tool.config(), KNOWN)
    before = copy.deepcopy(subject.module.state_dict())
    prepared = tool.prepare(subject, config)
    assert all(torch.equal(before[key], value) for key, value in subject.module.state_dict().items())
    if prepared is not None:
        assert all(math.isfinite(value) for value in prepared.metrics.values())
        subject, before = copy.copy(subject), copy.deepcopy(prepared.module.state_dict())
        subject.module = prepared.module
    try:
        plan = tool.plan(subject, config)
    except UserError as refusal:  # at this size there may be little to gain, or nothing at all
        if "no layer of this module can be" in str(refusal):
            pytest.skip(str(refusal))
        plan = _plan_of_the_smallest_budget(tool, subject, config)
    changed = tool.transfer(copy.deepcopy(subject.module), plan).eval()
    assert all(torch.equal(before[key], value) for key, value in subject.module.state_dict().items())
    check_findings(tool.findings(plan))
    save_weights(changed, tmp_path / "weights.safetensors")
    state = torch.get_rng_state()
    rebuilt = subject.solver.build(subject.problem, subject.recipe.model, subject.context)
    torch.set_rng_state(state)
    rebuilt = tool.apply(rebuilt, type(plan).model_validate_json(plan.model_dump_json())).eval()
    assert torch.equal(torch.get_rng_state(), state), "rebuilding draws random numbers"
    load_weights(rebuilt, tmp_path / "weights.safetensors")
    assert same_answer(subject, changed, rebuilt)
    if tool.cheaper:
        before_and_after = [count_flops(subject.predict(module)).products for module in (subject.module, rebuilt)]
        assert before_and_after[1] <= before_and_after[0]
    subject.train(changed, subject.recipe.train)
    again = tool.apply(subject.solver.build(subject.problem, subject.recipe.model, subject.context), plan)
    again.load_state_dict(changed.state_dict())
    if (program := tool.program(changed)) is not changed:
        assert same_answer(subject, changed.eval(), program.eval(), exactly=False)
    assert set(again.state_dict()) == set(changed.state_dict()), "the program was made of the module itself"


@pytest.mark.parametrize(("tool", "solver"), pairs(Policy))
def test_a_policy_takes_steps_that_can_be_resumed(tool, solver, opened):
    subject, config = opened(solver), tool.config()
    training = tool.training(config, subject.recipe.train)
    module = subject.fresh() if tool.fresh else copy.deepcopy(subject.module)
    rule = tool.rule(subject, module, training, config)
    subject.train(module, training, rule=rule, sampler=tool.sampler(subject, config))
    other = tool.rule(subject, copy.deepcopy(module), training, config)
    other.load_state_dict(rule.state_dict())
    assert other.state_dict().keys() == rule.state_dict().keys()


@pytest.mark.parametrize(("tool", "solver"), pairs(Merge))
def test_a_merge_makes_one_module_of_the_kind_of_the_first(tool, solver, opened):
    first = opened(solver)
    second = copy.copy(first)
    second.module = copy.deepcopy(first.module)
    with torch.no_grad():
        for parameter in second.module.parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=rng.generator(1))
    states = [copy.deepcopy(subject.module.state_dict()) for subject in (first, second)]
    merged, findings = tool.merge([first, second], tool.config())
    check_findings(findings)
    assert {metric.key for metric in tool.metrics} <= {f"{tool.key}/{name}" for name in findings.metrics}
    for subject, before in zip((first, second), states, strict=True):
        assert all(torch.equal(before[key], value) for key, value in subject.module.state_dict().items())
    assert merged.state_dict().keys() == first.module.state_dict().keys()
    assert first.predict(merged)().mean.isfinite().all()


@pytest.mark.parametrize(("tool", "solver"), pairs(Search))
def test_a_search_gives_a_recipe_of_the_solver(tool, solver, opened):
    subject = opened(solver)
    recipe, findings = tool.search(
        subject, reduced(tool.config(), brief(subject)), lambda candidate: float(len(candidate.model_dump_json()))
    )
    assert type(recipe) is type(subject.recipe)
    check_findings(findings)
    subject.solver.build(subject.problem, recipe.model, subject.context)
    assert type(recipe).model_validate_json(recipe.model_dump_json()) == recipe
