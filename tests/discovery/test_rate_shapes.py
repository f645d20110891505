"""Laws that are no sums of products, and what is said of formulas that only come close to the law."""

import numpy as np
import pytest
from law_cases import ALLEE, DRAG, ENZYME, GRAZERS, PREDATORS, SWITCH, Law

from sciml.core.errors import UnsupportedError
from sciml.discovery import EquationFinder, HiddenPrior, alike, parse_formula, to_callable


def is_law(finder, law):
    """Whether the finder has the true form, with numbers within 5 %."""
    for component, text in zip(finder.named_.components, law.hidden, strict=True):
        true = parse_formula(text, law.columns)
        if not alike(component.expr, true):
            return False
        places = np.random.default_rng(0).uniform(0.3, 2.5, (20, len(law.columns)))
        found, expected = (to_callable(expr, law.columns)(places) for expr in (component.expr, true))
        assert np.linalg.norm(found - expected) < 0.05 * np.linalg.norm(expected)
    return True


@pytest.mark.parametrize(
    "law", [DRAG, ENZYME, pytest.param(SWITCH, marks=pytest.mark.slow)], ids=["drag", "Michaelis-Menten", "Hill"]
)
def test_moduli_and_saturations_are_found_where_nobody_named_them(law):
    finder = EquationFinder(law.known).fit(*law.draw(0))
    assert is_law(finder, law)
    assert not finder.named_.is_approximate


@pytest.mark.slow
def test_predators_that_saturate_are_found():
    """The errors of smooth curves favour exponentials; the observations decide, field after field and once more."""
    assert is_law(EquationFinder(GRAZERS.known).fit(*GRAZERS.draw(0)), GRAZERS)


@pytest.mark.slow
def test_a_sum_of_products_stays_one():
    finder = EquationFinder(ALLEE.known).fit(*ALLEE.draw(0))
    assert is_law(finder, ALLEE)
    assert "nothing but noise is left" in finder.advice_


@pytest.mark.parametrize(("law", "library"), [(DRAG, ("1", "v", "v**2", "v**3")), (ENZYME, ("1", "C", "C**2"))])
def test_an_approximation_is_called_one(law, library):
    finder = EquationFinder(law.known, library=library).fit(*law.draw(0))
    assert finder.equations_
    assert finder.named_.is_approximate
    assert "is an approximation where values were observed, and not the law" in finder.advice_
    assert "nothing but noise" not in finder.advice_
    assert any("not the law" in line for line in finder.remarks_[law.columns[0]])


def test_a_law_whose_noise_is_misjudged_is_no_approximation():
    """Peaks make the noise look smaller than it is; the residuals of the law are independent all the same."""
    finder = EquationFinder("x' = 0; y' = 0", library=("1", "x", "y", "x*y")).fit(*PREDATORS.draw(0))
    assert finder.named_.components[0].misfit > 1.5
    assert not finder.named_.is_approximate


@pytest.mark.slow
def test_other_formulas_that_fit_as_well_are_named():
    """A weak switch with 5 % of noise: several curves pass on some draws."""
    law = Law(
        lambda t, u: [0.1 + 1.5 * u[0] ** 2 / (1 + u[0] ** 2) - 0.8 * u[0]], ((0.05,), (0.8,), (3.0,)), 8.0, ("x",),
        "x' = 0", (),
    )  # fmt: skip
    counts = []
    for draw in range(4):
        finder = EquationFinder(law.known).fit(*law.draw(draw, noise=0.05))
        rivals = finder.named_.components[0].rivals
        assert all(apart > 0.1 for _, apart in rivals)
        assert sum("the observations allow" in line for line in finder.remarks_["x"]) == len(rivals)
        counts.append(len(rivals))
    assert max(counts) > 0


@pytest.mark.parametrize(
    ("prior", "words"),
    [
        (HiddenPrior(operators=("add", "tanh")), "does nothing with the operators tanh"),
        (HiddenPrior(operators=("add", "exp"), library=("x", "y")), "the terms of the library are the only ones"),
    ],
)
def test_operators_that_an_engine_leaves_unused_are_refused(prior, words):
    with pytest.raises(UnsupportedError, match=words):
        EquationFinder("x' = 0; y' = 0", prior=prior).fit(*PREDATORS.draw(0))


def test_operators_say_which_shapes_are_tried():
    times, states = ENZYME.draw(0)
    without = EquationFinder(ENZYME.known, operators=("add", "mul")).fit(times, states)
    assert without.named_.formulas[0].is_polynomial()
    assert without.named_.is_approximate
