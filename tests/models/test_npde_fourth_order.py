"""Fourth derivatives in networks made of a PDE: the Kuramoto-Sivashinsky equation, in which second ones amplify."""

import math

import pytest
import sympy
import torch

from sciml.core import registry, rng
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import UserError
from sciml.core.statement import Statement
from sciml.models.npde import Constant, Diffusion, NPDESpec, SpecAxis, Trainable, generate, read_terms
from sciml.solvers.npde import fit

SIZE, LENGTH = 64, 16 * math.pi
RING = SpecAxis(name="x", size=SIZE, upper=LENGTH)
X = torch.arange(SIZE, dtype=torch.float64) * (LENGTH / SIZE)


def network(terms, coefficients=(), axes=(RING,), **more):
    return generate(NPDESpec(axes=axes, terms=terms, coefficients=coefficients, **({"dt": 0.1} | more)))


def film(**more):
    """u_t = -u u_x - u_xx - ν u_xxxx with ν for every sample, all coefficients to be found."""
    terms, coefficients = read_terms(("u*u_x", "-u_xx", "-u_xxxx"), ("u",), ("x",))
    return network(terms, coefficients, scheme="strang", accuracy=8, **more)


def waves(number):
    return torch.sin(2 * math.pi * number * X / LENGTH)[None, None]


@pytest.mark.parametrize("scheme", ["strang", "imex", "explicit"])
def test_a_wave_decays_by_the_square_of_the_second_difference(scheme):
    hyper = network((Diffusion(target="u", scale=-0.1, order=4),), scheme=scheme, dt=0.01)
    k, dx = 2 * math.pi * 5 / LENGTH, LENGTH / SIZE
    rate = -0.1 * ((2 - 2 * math.cos(k * dx)) / dx**2) ** 2
    factor = {"strang": math.exp(0.01 * rate), "imex": 1 / (1 - 0.01 * rate), "explicit": 1 + 0.01 * rate}[scheme]
    torch.testing.assert_close(hyper(waves(5)), factor * waves(5), rtol=1e-12, atol=1e-12)


def test_in_the_plane_it_is_the_laplacian_twice():
    axes = tuple(SpecAxis(name=name, size=16, upper=2 * math.pi) for name in ("y", "x"))
    hyper = network((Diffusion(target="u", scale=-0.01, order=4),), axes=axes, scheme="strang", dt=1.0)
    y = torch.arange(16, dtype=torch.float64) * (math.pi / 8)
    wave = (torch.sin(2 * y)[:, None] * torch.sin(y))[None, None]
    symbol = [(2 - 2 * math.cos(k * math.pi / 8)) / (math.pi / 8) ** 2 for k in (2, 1)]
    torch.testing.assert_close(hyper(wave), math.exp(-0.01 * sum(symbol) ** 2) * wave, rtol=1e-12, atol=1e-12)
    assert str(hyper.to_sympy()["u"].rhs.expand()).count("Derivative") == 3


def test_the_largest_explicit_step_is_where_it_blows_up():
    def built(dt):
        return network((Diffusion(target="u", scale=-1.0, order=4),), dt=dt)

    limit = 2 / (4 / (LENGTH / SIZE) ** 2) ** 2
    assert built(0.5 * limit).stability_report().largest_dt == pytest.approx(limit, rel=1e-6)
    with pytest.raises(UserError, match="largest stable dt"):
        built(1.02 * limit)
    noise = torch.randn(1, 1, SIZE, generator=rng.generator(0), dtype=torch.float64)
    assert built(0.98 * limit).rollout(noise, 300)[:, -1].norm() < noise.norm()


def test_what_amplifies_the_finest_scales_is_refused():
    backwards, hyper = Diffusion(target="u", scale=-1.0), Diffusion(target="u", scale=-1.0, order=4)
    with pytest.raises(UserError, match="negative"):
        network((backwards,), scheme="strang")
    with pytest.raises(UserError, match="negative"):
        network((Diffusion(target="u", order=4),), scheme="strang")
    network((backwards, hyper), scheme="strang")
    free = network(
        (Diffusion(target="u", order=4, coefficient="k"),), (Trainable(name="k", start=-1.0),), scheme="strang"
    )
    assert free.coefficients()["k"].upper == 0.0
    with pytest.raises(UserError, match="not stable"):
        network((backwards, hyper), dt=1e-3)


def test_the_equation_of_a_film_from_its_statement():
    x, t, nu = sympy.symbols("x t nu")
    u = sympy.Function("u")(x, t)
    posed = Statement(
        domain=Domain((Coordinate("x", 0.0, LENGTH, periodic=True), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("u",), equations=(u.diff(t) + u * u.diff(x) + u.diff(x, 2) + nu * u.diff(x, 4),), conditions=(),
        parameters={"nu": 1.0},
    )  # fmt: skip
    spec = NPDESpec.from_statement(posed, (SIZE,), dt=0.05, trainable=("nu",), scheme="strang", accuracy=8)
    orders = {term.order: term.scale for term in spec.terms if isinstance(term, Diffusion)}
    assert orders == {2: -1.0, 4: -1.0}
    assert NPDESpec.model_validate_json(spec.model_dump_json()) == spec
    known, found = generate(spec), film(dt=0.05)
    found.values.assign({name: 1.0 if "minus" in name or "xx" in name else -1.0 for name in found.coefficients()})
    start = waves(3) + waves(7)
    torch.testing.assert_close(known.rollout(start, 4), found.rollout(start, 4), rtol=1e-5, atol=1e-5)


def test_coefficients_of_the_reference_are_found():
    problem = registry.problem("kuramoto_sivashinsky_1d")
    grid, g = problem.grid((128,)), rng.generator(0)
    start = torch.stack([problem.initial({}, grid, g) for _ in range(4)])
    times = 0.05 * torch.arange(9, dtype=torch.float64)
    states = problem.simulate({"viscosity": torch.ones(4, dtype=torch.float64)}, start, times, grid).states
    fine = film(axes=(RING.model_copy(update={"size": 128}),), dt=0.05, substeps=2)
    result = fit(fine, states, method="pil")
    values = [float(entry.value) for entry in result.coefficients.values()]
    assert values == pytest.approx([-1, 1, 1], rel=1e-3)
    assert result.loss < 1e-6


def test_a_fourth_derivative_takes_one_number():
    from sciml.models.npde import FieldCoefficient

    with pytest.raises(UserError, match="one coefficient for all cells"):
        network(
            (Diffusion(target="u", order=4, coefficient="k", scale=-1.0),), (FieldCoefficient(name="k", start=1.0),)
        )
    with pytest.raises(UserError, match="no place"):
        read_terms(("u*u_xxxx",), ("u",), ("x",))
    fixed = network((Diffusion(target="u", order=4, coefficient="k", scale=-1.0),), (Constant(name="k", value=1.0),),
                    scheme="strang")  # fmt: skip
    assert fixed.coefficients()["k"].units == "1"
