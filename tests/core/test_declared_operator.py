"""Operators that are said by their parts: draws, labels, and what is refused before labels are made."""

import pytest
import torch

from sciml.core import rng
from sciml.core.capabilities import DeclaredOperator, Images, InputFunction
from sciml.core.domain import Coordinate, Domain
from sciml.core.errors import UnknownNameError, UserError
from sciml.core.functions import MappedSpace
from sciml.core.problem import Field
from sciml.core.status import Status
from sciml.reference import ChebyshevSpace, PowerSpace

LINE = Domain((Coordinate("x", 0.0, 2.0),))
CLOCK = Domain((Coordinate("t", 0.0, 1.0),))
PLANE = Domain((Coordinate("x", 0.0, 2.0), Coordinate("n", 0.0, 3.0, whole=True)))
SHAPES, PULSES = ChebyshevSpace(LINE, size=3), PowerSpace(CLOCK, size=2)


def product(u, p, queries):
    """u(x) p(1)."""
    return u(queries[:, :1]) * p(torch.ones(1, 1))


def operator(**changes):
    parts = {
        "inputs": (InputFunction("u", "u", "1", "shape", LINE), InputFunction("p", "p", "1", "pulse", CLOCK)),
        "domain": PLANE,
        "drawn_from": {"both": (SHAPES, PULSES), "positive": (MappedSpace(SHAPES, torch.exp), PULSES)},
        "labels": product,
    }
    return DeclaredOperator(
        **{**parts, **changes}, name="parts", title="Parts", equation="s = u p",
        fields=(Field("s", "s", "1", "product"),), boundary={}, citation="none", solver="mionet",
    )  # fmt: skip


def test_inputs_are_drawn_one_after_the_other_from_one_generator():
    u, p = operator().draw_functions("both", 4, rng.generator(0))
    one = rng.generator(0)
    assert torch.equal(u.coefficients, SHAPES.coefficients(4, one))
    assert torch.equal(p.coefficients, PULSES.coefficients(4, one))
    positive, _ = operator().draw_functions("positive", 4, rng.generator(0))
    points = LINE.lattice((5,))
    torch.testing.assert_close(positive(points), u(points).exp())


def test_inputs_that_belong_together_are_drawn_together():
    def twice(count, generator):
        u = SHAPES.draw(count, generator)
        return u, PULSES.draw(count, generator)

    problem = operator(drawn_from={"together": twice})
    assert problem.spaces == ("together",)
    assert len(problem.draw_functions("together", 3, rng.generator(0))[1]) == 3


def test_labels_are_values_or_values_with_a_status():
    problem, queries = operator(), PLANE.lattice((3, 4))
    functions = problem.draw_functions("both", 2, rng.generator(1))
    images = problem.apply(functions, queries)
    assert images.status.tolist() == [Status.OK] * 2
    torch.testing.assert_close(images.values[..., 0], product(*functions, queries=queries))
    own = Images(torch.zeros(2, 12, 1), torch.full((2,), int(Status.DIVERGED), dtype=torch.int8))
    assert (
        operator(labels=lambda *functions, queries: own).apply(functions, queries).status.tolist()
        == [Status.DIVERGED] * 2
    )


def test_a_function_whose_values_are_not_finite_has_diverged():
    def broken(u, p, queries):
        values = product(u, p, queries)
        values[1, 2] = torch.inf
        return values

    problem = operator(labels=broken)
    images = problem.apply(problem.draw_functions("both", 3, rng.generator(1)), PLANE.lattice((3, 4)))
    assert images.status.tolist() == [Status.OK, Status.DIVERGED, Status.OK]
    assert images.values[1].isnan().all()
    assert images.values[[0, 2]].isfinite().all()


def test_random_queries_lie_in_the_domain_or_are_the_problem_s_own():
    points = operator(domain=LINE).scatter(100, rng.generator(0))
    assert points.shape == (100, 1)
    assert LINE.contains(points).all()
    middle = operator(scattered=lambda count, generator: torch.ones(count, 2)).scatter(5, rng.generator(0))
    assert torch.equal(middle, torch.ones(5, 2))


@pytest.mark.parametrize(("changes", "match"), [
    ({"drawn_from": {"one": SHAPES}}, "space 'one' .* not one per input.*got 1.*u, p"),
    ({"drawn_from": {"swapped": (PULSES, SHAPES)}}, "'swapped' .* lives elsewhere than its input 'u'"),
    ({"drawn_from": {}}, "needs an input function and a space"),
])  # fmt: skip
def test_parts_that_do_not_fit_are_refused(changes, match):
    with pytest.raises(UserError, match=match):
        operator(**changes)


@pytest.mark.parametrize(("queries", "match"), [
    ([[0.5, 1.0], [2.5, 1.0]], r"outside of its domain.*query 1: x = 2\.5, n = 1.*x in \[0, 2\]"),
    ([[0.5, 1.5]], r"n = 1\.5.*n in \[0, 3\], whole numbers"),
    ([[float("nan"), 1.0]], "outside of its domain.*x = nan"),
    ([[0.5]], r"wrong shape.*\(1, 1\).*columns x, n"),
])  # fmt: skip
def test_queries_that_do_not_fit_are_refused(queries, match):
    problem = operator()
    with pytest.raises(UserError, match=match):
        problem.apply(problem.draw_functions("both", 2, rng.generator(0)), torch.tensor(queries).double())


def test_functions_that_do_not_fit_are_refused():
    problem, queries = operator(), PLANE.lattice((3, 4))
    u, p = problem.draw_functions("both", 3, rng.generator(0))
    with pytest.raises(UserError, match=r"as many functions of every input.*3 and 2.*u, p"):
        problem.apply((u, p.rows(slice(0, 2))), queries)
    with pytest.raises(UserError, match="every input"):
        problem.apply((u,), queries)
    with pytest.raises(UserError, match="'u' of 'parts' live on another domain"):
        problem.apply((p, u), queries)
    u.coefficients[2, 0] = torch.nan
    with pytest.raises(UserError, match=r"'u' of 'parts' are not finite.*function 2"):
        problem.apply((u, p), queries)
    with pytest.raises(UnknownNameError, match="Did you mean 'both'"):
        problem.draw_functions("botn", 1, rng.generator(0))


def test_a_lattice_of_whole_numbers_has_no_points_between_them():
    assert PLANE.lattice((2, 4))[:4, 1].tolist() == [0, 1, 2, 3]
    with pytest.raises(UserError, match=r"'n' takes whole numbers only.*3 points.*such as 4"):
        PLANE.lattice((2, 3))
