"""The parts of a PINN without training: ansatz, Jacobian, engines, weights, points."""

import math
from dataclasses import replace

import pytest
import sympy as sp
import torch
from torch.nn.utils import parameters_to_vector

from sciml.core import registry, rng
from sciml.core.capabilities import HasResidual
from sciml.core.derivatives import autograd_derivatives
from sciml.core.domain import Condition, Coordinate, Domain, EdgeCondition, dirichlet, initial, neumann
from sciml.core.errors import UnsupportedError
from sciml.core.statement import Statement
from sciml.solvers.pinn import (
    PINN,
    AdaptConfig,
    Balance,
    EmbedConfig,
    GaussNewton,
    Gradient,
    PINNConfig,
    WeighConfig,
    Weights,
    adapted,
    assign,
    causal_weights,
    choose,
    conjugate_gradients,
    density,
    evaluate,
    flat,
    initial_weights,
    jacobian,
    losses,
    residual_by,
    scaled,
    terms_of,
)
from sciml.tasks.collocation import CollocationConfig, CollocationExamples, unit_points

X, Y, T = sp.symbols("x y t")
CASES = [
    (problem, case)
    for problem in registry.problems().values()
    if isinstance(problem, HasResidual)
    for case in problem.cases
]
IDS = [f"{problem.name}-{case}" for problem, case in CASES]


def examples(statement, points=12, seed=0, **more):
    config = CollocationConfig(points=points, face_points=5)
    return CollocationExamples(statement, config, rng.generator(seed), **more)


def batch_of(statement, count=12, **more):
    made = examples(statement, count, **more)
    return made.batch(torch.arange(count), rng.generator(0))


def make(statement, seed=0, **settings):
    torch.manual_seed(seed)
    module = PINN(PINNConfig(**{"width": 6, **settings}), statement)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module


def wave_like():
    """Every kind of condition: values, slopes at one end, start and speed, an unknown number."""
    u = sp.Function("u")(X, T)
    exact = sp.sin(X) * sp.cos(2 * T) + X * T
    return Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 2.0)), time="t"),
        fields=("u",),
        equations=(u.diff(T, 2) - 4 * u.diff(X, 2) * sp.Symbol("k") - 0 * X,),
        conditions=(
            Condition("u", "x", "lower", exact.subs(X, 0)),
            Condition("u", "x", "lower", exact.diff(X).subs(X, 0), 1),
            Condition("u", "x", "upper", exact.subs(X, 1)),
            *initial("u", exact.subs(T, 0), exact.diff(T).subs(T, 0)),
        ),
        parameters={"k": 1.0},
    )


def faults(module):
    """The largest fault of every condition for this module, by autograd."""
    statement, found = module.statement, {}
    for i, points in examples(statement).faces.items():
        derivatives = autograd_derivatives(module, points, statement.fields, statement.names)
        found[i] = float(statement.fault(i, points, derivatives).detach().abs().max())
    return found


@pytest.mark.parametrize(("problem", "case"), CASES, ids=IDS)
def test_conditions_hold_for_any_weights(problem, case):
    module = make(problem.statement(case))
    missed = faults(module)
    assert all(missed[i] < 1e-12 for i in module.ansatz.exact), missed
    if not module.statement.singular_corners:  # but for slopes on edges whose values are free
        conditions = module.statement.conditions
        assert all(isinstance(conditions[i], EdgeCondition) and conditions[i].order for i in module.ansatz.soft)


def test_slopes_and_speeds_hold_for_any_weights():
    module = make(wave_like())
    assert not module.ansatz.soft
    assert max(faults(module).values()) < 1e-12


def test_what_cannot_be_built_in_is_left_to_the_loss():
    u = sp.Function("u")(X, T)
    domain = Domain((Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t")
    statement = Statement(
        domain=domain,
        fields=("u",),
        equations=(u.diff(T) - u.diff(X, 2),),
        conditions=(*neumann("u", "x"), *initial("u", sp.cos(sp.pi * X))),
    )
    module = make(statement)
    assert [statement.conditions[i].order for i in module.ansatz.soft] == [1, 1]
    assert faults(module)[2] < 1e-12
    batch = batch_of(statement)
    assert len(terms_of(module, batch)) == 3
    assert make(statement, hard=False).ansatz.exact == []


@pytest.mark.parametrize(("problem", "case"), CASES, ids=IDS)
@pytest.mark.parametrize("hard", [True, False])
def test_engines_agree(problem, case, hard):
    statement = problem.statement(case)
    module, batch = make(statement, hard=hard), batch_of(statement)
    for term in terms_of(module, batch):
        expected = residual_by("autograd", module, term).detach()
        for engine in ("taylor", *(["laplacian"] if statement.has_laplacian else [])):
            found = residual_by(engine, module, term).detach()
            torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-7 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["burgers", "poisson"])
def test_a_traced_step_has_the_gradient_of_an_eager_one(name):
    problem = registry.find_problem(name)
    statement = problem.statement(problem.cases[-1])
    module = make(statement, hard=name == "poisson")
    terms = terms_of(module, batch_of(statement))
    weights = initial_weights(module.config, terms)
    (loss, gradient), (traced_loss, traced) = (Gradient(module, e)(terms, weights) for e in ("autograd", "traced"))
    torch.testing.assert_close(traced, gradient, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(torch.stack(traced_loss), torch.stack(loss))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")  # torch's own, when its compiler is loaded
def test_a_compiled_step_has_the_gradient_of_an_eager_one():
    module = make(registry.problem("burgers").statement("smooth"))
    terms = terms_of(module, batch_of(module.statement))
    weights = initial_weights(module.config, terms)
    compiled = Gradient(module, "traced", compile=True)(terms, weights)
    torch.testing.assert_close(compiled[1], Gradient(module, "taylor")(terms, weights)[1], rtol=1e-9, atol=1e-9)


def test_the_fastest_engine_that_agrees_is_chosen():
    problem = registry.problem("poisson")
    module = make(problem.statement("square"))
    terms = terms_of(module, batch_of(module.statement))
    engine, seconds = choose(module, terms, initial_weights(module.config, terms))
    assert set(seconds) == {"autograd", "taylor", "laplacian"}
    assert seconds[engine] == min(seconds.values())
    burgers = make(registry.problem("burgers").statement("smooth"))
    with pytest.raises(UnsupportedError, match="beside those of a Laplacian"):
        Gradient(burgers, "laplacian")
    assert "laplacian" not in choose(burgers, terms_of(burgers, batch_of(burgers.statement)), Weights((1.0,)))[1]


@pytest.mark.parametrize(
    "settings",
    [{}, {"network": "modified_mlp"}, {"factorised": True}, {"embedding": EmbedConfig(fourier=4)}, {"hard": False}],
)
@pytest.mark.parametrize("name", ["burgers", "diffusion_inverse"])
def test_the_jacobian_is_that_of_autograd(name, settings):
    problem = registry.find_problem(name)
    statement = problem.statement(problem.cases[0])
    where = statement.domain.place(torch.rand(4, 2, dtype=torch.float64))
    observed = {"observed": where, "values": torch.zeros(4, 1).double()} if statement.observed else {}
    module = make(statement, **settings)
    terms = terms_of(module, batch_of(statement, 5, **observed))
    residuals, matrices = jacobian(module, terms)
    for term, residual, matrix in zip(terms, residuals, matrices, strict=True):
        rows = evaluate(module, term)
        torch.testing.assert_close(residual, rows.detach())
        for found, row in zip(matrix, rows.T.flatten(), strict=True):
            slopes = torch.autograd.grad(row, list(module.parameters()), retain_graph=True, allow_unused=True)
            exact = [torch.zeros_like(p) if s is None else s for s, p in zip(slopes, module.parameters(), strict=True)]
            torch.testing.assert_close(found, parameters_to_vector([e.contiguous() for e in exact]))


def test_scaled_rows_add_up_to_the_loss():
    module = make(registry.problem("burgers").statement("smooth"), hard=False)
    terms = terms_of(module, batch_of(module.statement))
    residuals = [evaluate(module, term).detach() for term in terms]
    weights = Weights((1.0, 2.0, 3.0, 4.0), torch.rand(12).double())
    expected = sum(w * loss for w, loss in zip(weights.terms, losses(residuals, weights), strict=True))
    torch.testing.assert_close(torch.cat(scaled(residuals, weights)).square().sum(), expected)


def test_causal_weights_fall_with_time_from_one():
    times = torch.linspace(0, 1, 50, dtype=torch.float64)
    found = causal_weights(torch.ones(50, 1).double(), times, start=0.0, extent=1.0, chunks=5, strictness=0.3)
    assert (found[:10] == 1).all()
    assert (found.diff() <= 0).all()
    torch.testing.assert_close(found[-1], torch.tensor(math.exp(-0.3 * 4)).double())
    assert (
        causal_weights(torch.ones(50, 1).double(), times, start=0.0, extent=1.0, chunks=5, strictness=0.0) == 1
    ).all()


@pytest.mark.parametrize("kind", ["grad_norm", "ntk"])
def test_a_balanced_gradient_does_not_know_the_scale_of_a_term(kind):
    """Scaling one loss by 100 leaves the direction of the balanced gradient."""
    module = make(registry.problem("burgers").statement("smooth"), hard=False)
    terms = terms_of(module, batch_of(module.statement))
    gradient, directions = Gradient(module, "taylor"), []
    for scale in (1.0, 10.0):
        louder = [replace(terms[0], residual=lambda *a, s=scale: s * terms[0].residual(*a)), *terms[1:]]
        balance = Balance(WeighConfig(balance=kind), len(terms))
        balance.update(0, gradient, louder, torch.zeros(0))
        slope = gradient(louder, Weights(tuple(balance.weights)))[1]
        directions.append(slope / slope.norm())
    assert float(directions[0] @ directions[1]) > 1 - 1e-9


def test_relative_progress_favours_the_term_that_lags():
    module = make(registry.problem("burgers").statement("smooth"), hard=False)
    balance = Balance(WeighConfig(balance="relobralo", soft=1.0), 2)
    balance.remember(0, [1.0, 1.0])
    for step in range(1, 200):
        balance.remember(step, [1.0, 0.9**step])
    assert balance.weights[0] > balance.weights[1]
    again = Balance(WeighConfig(balance="relobralo"), 2)
    again.load_state_dict(balance.state_dict())
    assert again.weights == balance.weights
    assert module.ansatz.free


@pytest.mark.parametrize("kind", ["rad", "rar_g", "rar_d"])
def test_adapted_points_follow_the_residual(kind):
    module = make(registry.problem("burgers").statement("smooth"))
    points = examples(module.statement, 40).points
    config = AdaptConfig(kind=kind, pool=500, add=10, power=2.0, floor=0.0)
    found = adapted(module, points, config, rng.generator(1))
    assert torch.equal(found, adapted(module, points, config, rng.generator(1)))
    assert not torch.equal(found, adapted(module, points, config, rng.generator(2)))
    assert module.statement.domain.contains(found).all()
    assert len(found) == (40 if kind == "rad" else 50)
    if kind != "rad":
        assert torch.equal(found[:40], points)

    def size(p):
        term = terms_of(module, batch_of(module.statement))[0]
        return float(evaluate(module, replace(term, points=p)).detach().abs().mean())

    assert size(found[-10:] if kind != "rad" else found) > 1.2 * size(points)


def test_a_density_adds_up_to_one_over_the_candidates():
    residual = torch.randn(100, 2).double()
    for power, floor in ((1.0, 1.0), (2.0, 0.0)):
        found = density(residual, power, floor)
        assert float(found.sum()) == pytest.approx(1)
        assert (found >= 0).all()
    scaled_up = residual * torch.tensor([1.0, 1e6])
    torch.testing.assert_close(density(scaled_up, 1.0, 0.0), density(residual, 1.0, 0.0))


@pytest.mark.parametrize("kind", ["uniform", "latin", "sobol", "lattice"])
def test_samplers_fill_the_cube_and_know_their_seed(kind):
    found = unit_points(kind, 64, 2, rng.generator(0))
    assert found.shape == (64, 2)
    assert ((found >= 0) & (found < 1)).all()
    assert torch.equal(found, unit_points(kind, 64, 2, rng.generator(0)))
    if kind != "lattice":
        assert not torch.equal(found, unit_points(kind, 64, 2, rng.generator(1)))
    if kind in ("latin", "sobol"):  # one in every slab
        assert sorted((found[:, 0] * 64).long().tolist()) == list(range(64))


@pytest.mark.parametrize("solve", ["dense", "cg"])
@pytest.mark.parametrize("accelerated", [True, False])
@pytest.mark.parametrize("points", [5, 60])
def test_a_step_of_gauss_newton_is_the_damped_one_bent_along_the_curvature(solve, accelerated, points):
    """Against the same in dense algebra, the second derivative along the step taken by autograd."""
    module = make(registry.problem("poisson").statement("line"), width=4, layers=1)
    terms = terms_of(module, batch_of(module.statement, points))
    weights = Weights((1.0,))
    parameters = list(module.parameters())
    start, (residuals, (matrix,)) = flat(parameters), jacobian(module, terms)
    scale = len(residuals[0]) ** -0.5
    rho, matrix = residuals[0].T.flatten() * scale, matrix * scale
    damping = 10.0 * matrix.square().sum() / matrix.shape[1]
    inverse = torch.linalg.inv(matrix.T @ matrix + damping * torch.eye(matrix.shape[1]).double())
    step = -inverse @ matrix.T @ rho

    def rows(along):
        assign(parameters, start + along * step)
        return scaled([evaluate(module, term) for term in terms], weights)[0].detach()

    h = 1e-3
    curve = (rows(h) - 2 * rows(0.0) + rows(-h)) / h**2
    bend = -0.5 * inverse @ matrix.T @ curve
    assert bend.norm() > 0.005 * step.norm()
    newton = GaussNewton(module, damping=10.0, solve=solve, accelerated=accelerated)
    assign(parameters, start)
    newton.step(terms, weights)
    found = flat(parameters) - start
    expected = step + bend if accelerated else step
    torch.testing.assert_close(found, expected, rtol=0, atol=float(0.3 * bend.norm()) if accelerated else 1e-6)


def test_conjugate_gradients_solve():
    root = torch.randn(20, 20, dtype=torch.float64, generator=rng.generator(0))
    matrix, right = root @ root.T + torch.eye(20), torch.arange(20.0).double()
    found = conjugate_gradients(lambda v: matrix @ v, right, tolerance=1e-12)
    torch.testing.assert_close(matrix @ found, right, rtol=1e-8, atol=1e-8)


def test_dirichlet_values_on_a_square_are_blended():
    exact = sp.exp(X) * sp.cos(Y) + X * Y**2
    u = sp.Function("u")(X, Y)
    ends = {"x": X, "y": Y}
    statement = Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("y", 0.0, 2.0))),
        fields=("u",),
        equations=(u.diff(X, 2) + u.diff(Y, 2),),
        conditions=tuple(
            Condition("u", axis, side, exact.subs(ends[axis], end))
            for axis, far in (("x", 1), ("y", 2))
            for side, end in (("lower", 0), ("upper", far))
        ),
    )
    assert max(faults(make(statement)).values()) < 1e-12
    assert dirichlet("u", "x")[1].side == "upper"
