"""Networks generated from statements and text, and what makes no network."""

import math

import pytest
import sympy
import torch
from npde_cases import CLASSICAL, KINETIC, PSI, TERMS, TRUE, WELL, N, learned, packet, spec, waves

from sciml import models
from sciml.core.domain import Coordinate, Domain, dirichlet, initial, neumann
from sciml.core.errors import UserError
from sciml.core.statement import Statement, Unknown
from sciml.models.npde import (
    Advection,
    Diffusion,
    Given,
    Mix,
    NPDESpec,
    Reaction,
    Source,
    SpecAxis,
    Trainable,
    as_text,
    equations_of,
    generate,
    library,
    read_terms,
    regression_rows,
)


def statement(periodic=True):
    x, t, D, c, r = sympy.symbols("x t D c r")
    u = sympy.Function("u")(x, t)
    return Statement(
        domain=Domain((Coordinate("x", 0.0, 2 * math.pi, periodic=periodic), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("u",),
        equations=(sympy.Eq(u.diff(t), D * u.diff(x, 2) - c * u.diff(x) + r * u * (1 - u)),),
        conditions=(*initial("u", sympy.cos(x)), *(() if periodic else neumann("u", "x"))),
        parameters={"D": 0.02, "c": 0.5},
        unknowns=(Unknown("r", 3.0),),
    )


def test_a_statement_gives_the_same_network_and_a_network_its_equation():
    found = NPDESpec.from_statement(statement(), (N,), dt=5e-4, trainable=("D",))
    network = generate(found)
    assert set(network.coefficients()) == {"D", "r"}
    assert network.coefficients()["D"].lower == 0.0
    torch.testing.assert_close(network.rollout(waves(), 40), generate(spec()).rollout(waves(), 40), rtol=0, atol=1e-12)
    (equation,) = network.to_sympy().values()
    x, t = sympy.symbols("x t")
    u = sympy.Function("u")(x, t)
    expected = 0.02 * u.diff(x, 2) - 0.5 * u.diff(x) + 3.0 * u * (1 - u)
    rest = sympy.expand(equation.rhs - expected)
    assert all(abs(float(number)) < 1e-12 for number in rest.as_coefficients_dict().values()) or rest == 0
    assert NPDESpec.model_validate_json(found.model_dump_json()) == found
    assert hash(found) == hash(NPDESpec.model_validate_json(found.model_dump_json()))
    assert NPDESpec.from_statement(statement(False), (N,), dt=5e-4).axes[0].boundary == "neumann"


def test_schroedinger_s_statement_is_a_unitary_network():
    """As a statement has it, in real and imaginary part; Crank-Nicolson is the same rotation then."""
    x, t = sympy.symbols("x t")
    a, b = (sympy.Function(name)(x, t) for name in "ab")
    well = (x - 3) ** 2 / 10
    posed = Statement(
        domain=Domain((Coordinate("x", 0.0, 2 * math.pi, periodic=True), Coordinate("t", 0.0, 1.0)), time="t"),
        fields=("a", "b"),
        equations=(a.diff(t) + b.diff(x, 2) / 2 - well * b, b.diff(t) - a.diff(x, 2) / 2 + well * a),
        conditions=(*initial("a", sympy.exp(sympy.cos(x))), *initial("b", 0)),
    )
    network = generate(NPDESpec.from_statement(posed, (N,), dt=1e-2, scheme="crank_nicolson"))
    known = generate(spec((KINETIC, WELL), scheme="crank_nicolson", **PSI)).rollout(packet(), 20)
    found = network.rollout(torch.view_as_real(packet()).movedim(-1, 2)[:, 0], 20)
    torch.testing.assert_close(torch.complex(found[:, :, 0], found[:, :, 1]), known[:, :, 0], rtol=0, atol=1e-12)
    with pytest.raises(UserError, match="at most 0"):
        generate(NPDESpec.from_statement(posed, (N,), dt=1e-2))


def test_statements_of_problems_become_networks():
    from sciml.core import registry

    heat = registry.problem("heat")
    network = generate(NPDESpec.from_statement(heat.statement(heat.cases[0]), (32,), dt=1e-4))
    assert network.spec.axes[0].boundary == "dirichlet"
    burgers = registry.problem("burgers")
    network = generate(
        NPDESpec.from_statement(burgers.statement("smooth"), (64,), dt=1e-3, advection="flux", trainable=("nu",))
    )
    assert network.coefficients()["nu"].value.item() == pytest.approx(0.1 / math.pi, rel=1e-5)
    points = -1 + (torch.arange(64, dtype=torch.float64) + 0.5) / 32
    found = network.rollout(-torch.sin(math.pi * points)[None, None], 500)[0, -1, 0]
    where = torch.stack((points, torch.full_like(points, 0.5)), 1)
    exact = burgers.reference(where, "smooth")[:, 0]
    assert (found - exact).norm() / exact.norm() < 0.01


def test_terms_are_read_from_text():
    terms, coefficients = read_terms(["lap(u)", "v: u*v_x", "v: nu*v_xx"], ("u", "v"), ("y", "x"), ("nu",))
    assert [entry.name for entry in coefficients] == ["c_u_lap_u", "c_v_lap_u", "c_v_u_v_x", "c_v_nu_v_xx"]
    assert terms[2] == Advection(target="v", of="v", axis="x", velocity="u", coefficient="c_v_u_v_x", scale=-1.0)
    assert terms[3].factor == "nu"
    assert len(library(("u",), ("x",))) == 5
    for text, words in (
        ("u_x*v_x", "no place"), ("u_xxx", "unknown name"), ("w: u", "field"), ("u*u_xx", "no place"), ("u +", "parse"),
    ):  # fmt: skip
        with pytest.raises(UserError, match=words):
            read_terms([text], ("u", "v"), ("x",))
    with pytest.raises(UserError, match="twice"):
        read_terms(["u", "u"], ("u",), ("x",))
    (line,) = as_text(generate(spec()).to_sympy())
    assert line == "u_t = 3.0*u*(1 - u) - 0.5*u_x + 0.02*u_xx"


def test_what_multiplies_a_laplacian_stands_in_the_equation():
    terms, coefficients = read_terms(["lap(u)", "nu*lap(u)"], ("u",), ("x",), ("nu",))
    given = Given(name="nu", lower=0.1, upper=0.2)
    values = {"c_u_lap_u": torch.tensor(0.5), "c_u_nu_lap_u": torch.tensor(2.0)}
    built = spec(terms, (*coefficients, given), scheme="strang")
    assert as_text(equations_of(built, values)) == ("u_t = 2.0*nu*u_xx + 0.5*u_xx",)


@pytest.mark.parametrize(
    ("words", "build"),
    [
        ("negative", lambda: spec((Diffusion(target="u", scale=-1.0, coefficient="D"),))),
        ("negative", lambda: spec((TERMS[0],), (Trainable(name="D", start=0.1, lower=-1.0),))),
        ("unknown field", lambda: spec((Mix(target="u", of="w"),))),
        ("unknown coefficient", lambda: spec((Diffusion(target="u", coefficient="E"),))),
        ("unknown name", lambda: spec((Reaction(target="u", formula="u*w"),))),
        ("no step is stable", lambda: spec((KINETIC,), **PSI)),
        ("factor i", lambda: spec((Diffusion(target="u", imaginary=True),))),
        ("real network", lambda: generate(spec((KINETIC,), scheme="split_step", **PSI), "mlp")),
        ("real network", lambda: generate(spec((KINETIC,), scheme="split_step", **PSI), "stable")),
        ("real kernels", lambda: generate(spec((KINETIC,), scheme="split_step", **PSI), "free")),
        ("complex state", lambda: generate(spec())(packet())),
        ("another shape", lambda: generate(spec())(waves(size=12))),
        ("same weights at every step", lambda: generate(spec(TERMS[:2], sharing="per_step"), "rnn")),
        ("no place for this term", lambda: generate(spec(CLASSICAL["Burgers in flux form"][0]), "mlp")),
        ("linear equations", lambda: generate(spec(scheme="crank_nicolson"))),
        ("unknown form", lambda: generate(spec(), "cnn")),
        ("trainable", lambda: regression_rows(generate(spec()), torch.stack((waves(), waves()), 1))),
        ("one frame", lambda: regression_rows(generate(learned()), waves()[:, None])),
    ],
)
def test_what_makes_no_network_is_refused_in_words(words, build):
    with pytest.raises(UserError, match=words):
        build()


def test_files_give_the_network_back(tmp_path):
    network = generate(learned())
    network.values.assign(TRUE)
    path = models.save(network, tmp_path / "fisher.safetensors")
    again = models.load(path)
    assert torch.equal(again.rollout(waves()), network.rollout(waves()))


def test_conditions_with_values_have_no_padding():
    x, t = sympy.symbols("x t")
    u = sympy.Function("u")(x, t)
    posed = Statement(
        domain=Domain((Coordinate("x", 0.0, 1.0), Coordinate("t", 0.0, 1.0)), time="t"), fields=("u",),
        equations=(u.diff(t) - u.diff(x, 2),), conditions=(*initial("u", 1), *dirichlet("u", "x", 1)),
    )  # fmt: skip
    with pytest.raises(UserError, match="no counterpart in a padding"):
        NPDESpec.from_statement(posed, (N,), dt=1e-4)


@pytest.mark.parametrize("form", ["conv", "mlp", "rnn", "free", "stable"])
def test_a_rollout_takes_at_least_one_step(form):
    network = generate(spec(), form)
    for steps in (0, -1):
        with pytest.raises(UserError, match=f"at least one step, and a whole number of them; got steps={steps}"):
            network.rollout(waves().to(torch.float32 if form == "stable" else torch.float64), steps)


def test_the_stable_form_says_that_it_is_in_another_precision():
    network = generate(spec(), "stable")
    with pytest.raises(UserError, match=r"precision.*float64.*expected torch\.float32.*network\.double\(\)"):
        network.rollout(waves(), 2)
    assert network.double().rollout(waves(), 2).dtype == torch.float64


def test_inputs_are_those_of_the_specification_at_every_step():
    driven = generate(spec((Source(target="u", channel=0),), inputs=1), "conv")
    with pytest.raises(UserError, match=r"inputs for every step; got \(4, 3, 1\); expected \(batch, 5, 1\)"):
        driven.rollout(waves(), 5, inputs=torch.ones(4, 3, 1, dtype=torch.float64))
    with pytest.raises(UserError, match=r"not those of the specification; got \(4, 2\); expected \(batch, 1\)"):
        driven.rollout(waves(), 3, inputs=torch.ones(4, 3, 2, dtype=torch.float64))


def test_a_term_that_diffuses_backwards_is_refused_whatever_its_sign_is_written_on():
    """-u_xx with a coefficient that stays positive amplifies, unless a fourth derivative damps it."""
    axes = (SpecAxis(name="x", size=N),)
    for texts in (["-u_xx"], ["u_x", "-lap(u)"]):
        terms, coefficients = read_terms(texts, ("u",), ("x",))
        with pytest.raises(UserError, match="diffusion of 'u' is negative"):
            NPDESpec(axes=axes, terms=terms, coefficients=coefficients, dt=1e-3)
    terms, coefficients = read_terms(["u*u_x", "-u_xx", "-u_xxxx"], ("u",), ("x",))
    generate(NPDESpec(axes=axes, terms=terms, coefficients=coefficients, dt=1e-3, scheme="strang"))
