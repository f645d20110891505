"""Structured matrices: every structure is its dense matrix, and covers what it should cover exactly."""

import copy
import functools
import math

import pytest
import torch
from torch import nn

from sciml.core.errors import UserError
from sciml.nn import (
    SpectralConv,
    coordinates,
    dense_matrices,
    linear,
    low_rank_of,
    matrices,
    optimiser_groups,
    structured_like,
    structured_of,
    unstructured_of,
    with_operator,
)
from sciml.nn.structured import (
    Blast,
    BlastMatrix,
    Gaudi,
    GaudiMatrix,
    Monarch,
    MonarchMatrix,
    Rectangle,
    RectangleMatrix,
    Rectangles,
    Shape,
    boxcar,
    component_list,
    gaudi_mask,
    low_rank_form,
    merge_blocks,
    merge_rectangles,
    rectangles_cost,
    tiled_form,
)

SHAPES = {"tall": Shape(12, 9), "taps": Shape(6, 7, taps=3), "complex": Shape(6, 8, stack=3, is_complex=True)}
WRAPPED = (
    Rectangle(rows=(4, 3), columns=(0, 4), rank=0),
    Rectangle(rows=(3, 4), columns=(5, 4), rank=2),
    Rectangle(rows=(5, 3), columns=(5, 4), rank=1),
    Rectangle(rows=(0, 6), columns=(6, 7), rank=3),
)
"""Blocks that overlap and go on at the beginning after the last row or column of each of the shapes, some full."""


def forms(shape):
    whole = Rectangle(rows=(0, shape.rows), columns=(0, shape.columns), rank=1)
    return {
        "low rank": low_rank_form(shape, 2),
        "block-diagonal": tiled_form(shape, 2, [[0, None], [None, 0]]),
        "block-sparse": tiled_form(shape, 3, [[None, 0, None], [0, None, None], [None, None, 0]]),
        "block low rank": tiled_form(shape, 3, [[1, None, 1], [2, 1, None], [1, 1, 2]]),
        "wrapped": Rectangles(blocks=WRAPPED if shape.columns < 9 else (*WRAPPED[1:], whole)),
        "monarch": Monarch(blocks=3, rank=1),
        "blast": Blast(blocks=2, rank=3),
        "gaudi": Gaudi(components=(whole, Rectangle(rows=(1, 3), columns=(5, 3), rank=1)), cells=6),
    }


CASES = [(size, name) for size, shape in SHAPES.items() for name in forms(shape)]


@pytest.fixture(params=CASES, ids=[f"{size}-{name}" for size, name in CASES])
def operator(request):
    torch.manual_seed(0)
    size, name = request.param
    return forms(SHAPES[size])[name].operator(SHAPES[size]).double()


def vectors(shape, *batch):
    stack = (shape.stack,) if shape.stack else ()
    return torch.randn(*stack, *batch, shape.width, dtype=torch.complex128 if shape.is_complex else torch.float64)


def by_dense(operator, x):
    dense = operator.to_dense()
    return torch.einsum("s...w,srw->s...r", x, dense) if operator.shape.stack else x @ dense.mT


@pytest.mark.parametrize("batch", [(5,), (2, 3), (1, 2, 2)])
def test_products_are_those_of_the_dense_matrix(operator, batch):
    x = vectors(operator.shape, *batch)
    expected = by_dense(operator, x)
    torch.testing.assert_close(operator.matvec(x), expected, rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(operator.matvec(x), expected, rtol=1e-12, atol=1e-12)


def test_products_with_vectors_that_are_slices_or_transposed(operator):
    x = vectors(operator.shape, 6)
    padded = torch.stack([x, x.new_full(x.shape, 7)], dim=-1)
    transposed = x.mT.contiguous().mT
    with torch.no_grad():
        for strided in (padded[..., 0], transposed, torch.cat([x, x], dim=-2)[..., 6:, :]):
            torch.testing.assert_close(operator.matvec(strided), by_dense(operator, x), rtol=1e-12, atol=1e-12)


def test_gradients_of_contents_and_inputs(operator):
    x = vectors(operator.shape, 2).requires_grad_()
    contents = {n: p for n, p in operator.named_parameters() if n not in ("widths", "starts")}
    names, values = zip(*contents.items(), strict=True)
    values = tuple(v.detach().requires_grad_() for v in values)

    def apply(x, *values):
        y = torch.func.functional_call(operator, dict(zip(names, values, strict=True)), (x,))
        return torch.view_as_real(y) if y.is_complex() else y

    assert torch.autograd.gradcheck(apply, (x, *values), fast_mode=True)


def test_flops_are_those_of_the_products(operator):
    """As torch counts them, where there is no padding: two per multiply-add, eight for complex numbers."""
    from sciml.tools.cost import count_flops

    if isinstance(operator, GaudiMatrix):
        operator = operator.compact()
    with torch.no_grad():
        counted = count_flops(lambda: operator.matvec(vectors(operator.shape, 1))).products
    assert counted == operator.flops


def test_it_starts_with_the_variance_of_a_plain_layer():
    torch.manual_seed(0)
    shape = Shape(96, 128)
    plain = float(nn.Linear(128, 96).weight.detach().square().mean())
    for form in (low_rank_form(shape, 12), tiled_form(shape, 4, [[3] * 4] * 4), Monarch(blocks=4, rank=3),
                 Blast(blocks=4, rank=24), tiled_form(shape, 2, [[0, None], [None, 0]])):  # fmt: skip
        assert float(form.operator(shape).to_dense().detach().square().mean()) == pytest.approx(plain, rel=0.3)


def random(*size):
    return torch.randn(*size, dtype=torch.float64)


def test_low_rank_block_sparse_and_blr_are_covered_exactly():
    """With the cost formulas r (m + n), the area of the tiles, and Σ r_ij (p + q); rectangular."""
    torch.manual_seed(0)
    shape = Shape(24, 16)
    low = random(1, 24, 3) @ random(1, 3, 16)
    sparse, blr = torch.zeros(1, 24, 16, dtype=torch.float64), torch.zeros(1, 24, 16, dtype=torch.float64)
    sparse[:, 6:12, 4:8], sparse[:, 18:24, :4] = random(6, 4), random(6, 4)
    ranks = [[1, None, None, 2], [None, 1, None, None], [None, None, 3, None], [2, None, None, 1]]
    for i, row in enumerate(ranks):
        for j, rank in enumerate(row):
            if rank:
                blr[:, 6 * i : 6 * i + 6, 4 * j : 4 * j + 4] = random(6, rank) @ random(rank, 4)
    columns = [Rectangle(rows=(6, 6), columns=(j, 1), rank=1) for j in range(4, 8)]
    columns += [Rectangle(rows=(18, 6), columns=(j, 1), rank=1) for j in range(4)]
    tiles = tiled_form(shape, 4, [[None] * 4, [None, 0, None, None], [None] * 4, [0, None, None, None]])
    for dense, form, cost in (
        (low, low_rank_form(shape, 3), 3 * 40),
        (sparse, tiles, 48),
        (blr, tiled_form(shape, 4, ranks), 10 * 10),
    ):
        operator = form.operator(shape).double()
        operator.fit(dense)
        torch.testing.assert_close(operator.to_dense(), dense[0], rtol=1e-12, atol=1e-12)
        assert operator.multiplications == cost
        parts = columns if form is tiles else component_list(form.blocks, 1)
        learned = GaudiMatrix(shape, parts, cells=24).double()
        learned.fit(dense)
        torch.testing.assert_close(learned.to_dense(), dense[0], rtol=1e-12, atol=1e-12)
        if form is not tiles:
            assert int(learned.costs().sum()) == cost


def test_monarch_and_blast_find_matrices_of_their_own_kind():
    torch.manual_seed(0)
    for kind, bound in (
        (MonarchMatrix(Shape(12, 8), blocks=2, rank=2), 1e-12),
        (BlastMatrix(Shape(12, 8), blocks=2, rank=3), 5e-2),
    ):
        source, again = kind.double(), copy.deepcopy(kind).double()
        again.fit(source.to_dense().detach()[None])
        gap = (again.to_dense() - source.to_dense()).norm() / source.to_dense().norm()
        assert gap < bound  # alternating least squares need not reach the global minimum


def test_low_rank_and_block_diagonal_matrices_are_blast():
    torch.manual_seed(0)
    shape = Shape(12, 8)
    low = random(1, 12, 2) @ random(1, 2, 8)
    operator = BlastMatrix(shape, blocks=2, rank=2).double()
    operator.fit(low)
    torch.testing.assert_close(operator.to_dense(), low[0], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("size", [63, 64, 100])
def test_sharp_masks_are_intervals(size):
    lengths = torch.arange(size + 1, dtype=torch.float64)
    for start in (0, 1, size // 2, size - 1):
        starts = torch.full_like(lengths, start)
        mask = gaudi_mask(lengths / size, starts / size, size, math.inf)
        expected = boxcar(starts.long(), lengths.long(), size).double()
        torch.testing.assert_close(mask, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("sigma", [1.0, 10.0, 100.0, math.inf])
def test_masks_have_the_right_sum_and_follow_their_start(sigma):
    for size in (63, 64):
        width, start = torch.tensor(0.23, dtype=torch.float64), torch.tensor(0.4, dtype=torch.float64)
        mask = gaudi_mask(width, start, size, sigma)
        torch.testing.assert_close(mask.sum(), width * size)
        if size % 2:  # the highest mode of an even number of points has no phase
            torch.testing.assert_close(gaudi_mask(width, start + 1 / size, size, sigma), mask.roll(1))


def test_mask_gradients_against_finite_differences_and_the_closed_form():
    """∂m/∂w = N irfft(exp(-2πikw) C_k), ∂m/∂l = N irfft(-2πik M_k); neither vanishes at w = 0."""
    for size, sigma in ((64, 8.0), (63, 4.0)):
        for w in (0.0, 0.3, 0.77):
            mask = functools.partial(gaudi_mask, size=size, sigma=sigma)
            width, start = (torch.tensor(v, dtype=torch.float64, requires_grad=True) for v in (w, 0.61))
            by_width, by_start = torch.autograd.functional.jacobian(mask, (width, start))
            step = 1e-6
            for slope, (dw, dl) in ((by_width, (step, 0)), (by_start, (0, step))):
                ahead = gaudi_mask(width + dw, start + dl, size, sigma).detach()
                behind = gaudi_mask(width - dw, start - dl, size, sigma).detach()
                torch.testing.assert_close(slope, (ahead - behind) / (2 * step), rtol=1e-6, atol=1e-6)
            k = torch.arange(size // 2 + 1, dtype=torch.float64)
            c = torch.exp(1j * math.pi * k / size - 2j * math.pi * k * 0.61) * torch.exp(-0.5 * (k / sigma) ** 2)
            c = c / torch.sinc(k / size)
            closed = size * torch.fft.irfft(torch.exp(-2j * math.pi * k * w) * c, n=size)
            torch.testing.assert_close(by_width, closed, rtol=1e-9, atol=1e-9)
            assert by_width.norm() > 1


def learned(shape=None, count=6):
    shape = shape or Shape(16, 16)
    torch.manual_seed(0)
    parts = [Rectangle(rows=(3 * k % 16, 5 + k), columns=(5 * k % 16, 4 + 2 * k), rank=2) for k in range(count)]
    return GaudiMatrix(shape, parts, cells=8).double()


def test_lengths_and_starts_get_gradients_while_masks_are_smooth():
    operator = learned()
    operator.sigma.fill_(0.2)
    (operator.train().to_dense() ** 2).sum().backward()
    assert operator.widths.grad.abs().min() > 0
    assert operator.starts.grad.abs().min() > 0
    operator.sigma.fill_(math.inf)
    operator.zero_grad()
    (operator.to_dense() ** 2).sum().backward()
    assert operator.widths.grad is None


def test_a_dead_side_revives_where_the_loss_favours_it():
    operator = learned()
    with torch.no_grad():
        operator.widths[0, 0] = 0.0
    operator.sigma.fill_(0.2)
    target = torch.ones(16, 16, dtype=torch.float64)
    (operator.train().to_dense() - target).square().sum().backward()
    assert operator.widths.grad[0, 0] != 0


def test_the_proximal_step_shrinks_clips_and_buries_half_dead_components():
    operator = learned()
    with torch.no_grad():
        operator.widths.copy_(torch.tensor([[0.5, 0.05, 0.9, 1.0, 0.3, 0.2], [0.5, 0.9, 0.05, 1.0, 0.3, 0.2]]))
        operator.starts[0, 0] = 1.25
    cost = float(operator.soft_cost().detach())
    operator.shrink(0.1)
    expected = torch.tensor([[0.4, 0, 0, 0.9, 0.2, 0.1], [0.4, 0, 0, 0.9, 0.2, 0.1]], dtype=torch.float64)
    torch.testing.assert_close(operator.widths.data, expected, rtol=0, atol=1e-7)
    assert operator.starts[0, 0] == 0.25
    assert float(operator.soft_cost().detach()) < cost
    assert operator.costs()[1] == 0


@pytest.mark.parametrize("shape", [Shape(16, 16), Shape(16, 16, taps=4), Shape(16, 16, stack=2, is_complex=True)])
def test_the_form_that_predicts_is_the_masked_matrix(shape):
    operator = learned(shape).eval()
    merged = operator.compact()
    torch.testing.assert_close(merged.to_dense(), operator.to_dense(), rtol=1e-12, atol=1e-12)
    assert merged.multiplications == operator.multiplications
    x = vectors(shape, 3)
    torch.testing.assert_close(merged.matvec(x), operator.matvec(x), rtol=1e-12, atol=1e-12)
    operator.harden()
    torch.testing.assert_close(operator.train().to_dense(), merged.to_dense(), rtol=1e-12, atol=1e-12)


def test_a_matrix_whose_components_are_all_dead_has_no_compact_form():
    operator = learned()
    operator.kill(torch.arange(6))
    assert operator.compact() is None
    assert not operator.eval().to_dense().any()


@pytest.mark.parametrize("size", SHAPES)
@pytest.mark.parametrize("overhead", [0.0, 20.0, 1e6])
def test_merged_blocks_are_the_same_matrix(size, overhead):
    torch.manual_seed(0)
    shape = SHAPES[size]
    operator = RectangleMatrix(shape, forms(shape)["wrapped"].blocks).double()
    merged = merge_rectangles(operator.rectangles, shape, overhead)
    again = merge_blocks(operator, merged)
    torch.testing.assert_close(again.to_dense(), operator.to_dense(), rtol=1e-12, atol=1e-12)
    assert sorted(k for one in merged for k in one.members) == list(range(len(operator.rectangles)))
    if overhead == 0:
        assert rectangles_cost(again.rectangles, shape.taps) <= rectangles_cost(operator.rectangles, shape.taps)
    if overhead == 1e6:
        assert len(merged) == 1
    with pytest.raises(UserError, match="do not belong"):
        merge_blocks(operator, merged[:-1])


def test_no_block_is_cheaper_in_another_one():
    """Merging two by two alone leaves some where going to another is cheaper."""
    shape, overhead = Shape(128, 128), 300  # so large that no interval goes on at the beginning
    for seed in range(12):
        draw = torch.Generator().manual_seed(seed)
        number = lambda high, draw=draw: int(torch.randint(high, (), generator=draw))
        blocks = [
            Rectangle(rows=(8 * number(6), 16), columns=(8 * number(6), 16), rank=(0, 2, 5)[number(3)])
            for _ in range(8)
        ]

        def price(*groups, blocks=blocks):
            hulls = [merge_rectangles([blocks[k] for k in sorted(g)], shape, 1e9)[0].rectangle for g in groups if g]
            return sum(hull.multiplications(1) + overhead * (2 if hull.rank else 1) for hull in hulls)

        merged = [set(one.members) for one in merge_rectangles(blocks, shape, overhead)]
        for k in range(len(blocks)):
            here = next(group for group in merged if k in group)
            for there in [group for group in merged if group is not here] + [set()]:
                assert price(here - {k}, there | {k}) >= price(here, there)


def test_predictions_follow_weights_that_change_in_place_or_move():
    torch.manual_seed(0)
    operator = RectangleMatrix(Shape(12, 9), forms(Shape(12, 9))["wrapped"].blocks).double()
    x = random(4, 9)
    with torch.no_grad():
        operator.matvec(x)
        operator.left *= 2
        torch.testing.assert_close(operator.matvec(x), by_dense(operator, x))
        moved = copy.deepcopy(operator)
        moved.right += 1
        torch.testing.assert_close(moved.matvec(x), by_dense(moved, x))
        torch.testing.assert_close(operator.matvec(x), by_dense(operator, x))
        single = operator.float()
        torch.testing.assert_close(single.matvec(x.float()), by_dense(single, x.float()))


LAYERS = {
    "linear": (lambda: nn.Linear(9, 12), (3, 2, 9)),
    "linear_unbiased": (lambda: nn.Linear(9, 12, bias=False), (3, 9)),
    "conv1d": (lambda: nn.Conv1d(6, 8, 5, stride=2, padding=2, padding_mode="reflect"), (2, 6, 11)),
    "conv2d": (lambda: nn.Conv2d(6, 8, (3, 1), padding=(2, 0), dilation=2, bias=False), (2, 6, 7, 6)),
    "conv2d_circular": (lambda: nn.Conv2d(6, 8, 3, padding=1, padding_mode="circular"), (2, 6, 6, 6)),
    "conv2d_same": (lambda: nn.Conv2d(6, 8, 3, padding="same"), (2, 6, 6, 6)),
    "conv2d_same_circular": (lambda: nn.Conv2d(6, 8, 2, padding="same", padding_mode="circular"), (2, 6, 6, 6)),
    "pointwise": (lambda: nn.Conv2d(9, 12, 1), (2, 9, 5, 5)),
    "conv3d": (lambda: nn.Conv3d(6, 6, 3, padding=1), (1, 6, 4, 4, 4)),
    "spectral": (lambda: SpectralConv(6, 8, modes=2), (2, 6, 6, 8)),
    "spectral1d": (lambda: SpectralConv(6, 8, modes=3, dims=1), (2, 6, 8)),
    "low_rank": (lambda: low_rank_of(nn.Linear(9, 12), 5), (3, 9)),
    "low_rank_conv": (lambda: low_rank_of(nn.Conv2d(6, 8, 3, padding=1), 5), (2, 6, 6, 6)),
}


@pytest.mark.parametrize("name", ["wrapped", "block low rank", "monarch", "blast", "gaudi"])
@pytest.mark.parametrize("kind", LAYERS)
def test_a_structured_layer_is_the_layer_with_its_matrix(kind, name):
    torch.manual_seed(0)
    build, size = LAYERS[kind]
    layer, x = build().double().eval(), torch.randn(*size, dtype=torch.float64)
    values = dense_matrices(layer)
    shape = Shape(*values.shape[1:])._replace(taps=1) if values.is_complex() else None
    taps = math.prod(getattr(layer, "kernel_size", getattr(getattr(layer, "first", None), "kernel_size", (1,))))
    shape = Shape(values.shape[1], values.shape[2] // taps, taps)
    form = forms(shape)[name]
    if name == "wrapped":
        form = Rectangles(
            blocks=(Rectangle(rows=(3, 5), columns=(4, 3), rank=2), Rectangle(rows=(0, 3), columns=(4, 3), rank=0))
        )
    state = torch.get_rng_state()
    structured, empty = structured_of(layer, form), structured_like(layer, form)
    assert torch.equal(torch.get_rng_state(), state)
    empty.load_state_dict(structured.state_dict())
    torch.testing.assert_close(empty(x), structured(x), rtol=0, atol=0)
    again = unstructured_of(structured)
    assert type(again) in (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, SpectralConv)
    torch.testing.assert_close(again(x), structured(x), rtol=1e-10, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(structured(x), again(x), rtol=1e-10, atol=1e-12)
    if hasattr(structured, "weight"):
        torch.testing.assert_close(structured.weight, again.weight)
    full = structured_of(layer, low_rank_form(shape, min(shape.rows, shape.width)))
    torch.testing.assert_close(full(x), layer(x), rtol=1e-10, atol=1e-12)
    cheaper = low_rank_of(structured, 1)
    assert matrices(cheaper).values.shape == matrices(structured).values.shape


def test_jets_pass_through_a_structured_layer():
    layer = structured_of(nn.Linear(2, 6).double(), tiled_form(Shape(6, 2), 2, [[0, None], [1, 0]]))
    points = torch.rand(4, 2, dtype=torch.float64)
    jet = linear(layer, coordinates(points, ("x", "t"), ("x", "xx")))
    torch.testing.assert_close(jet.value, layer(points))
    torch.testing.assert_close(jet["x"], layer.weight[:, 0].expand(4, 6))
    with pytest.raises(UserError, match="per-point gradients of structured layers"):
        linear(layer, coordinates(points, ("x", "t"), ("x",), tape=[]))


def test_lengths_do_not_decay_and_have_a_rate_of_their_own():
    layer = with_operator(nn.Linear(16, 16).double(), learned())
    groups = optimiser_groups(layer, 0.1, 0.3)
    apart = next(group for group in groups if group["weight_decay"] == 0)
    assert {id(p) for p in apart["params"]} == {id(layer.operator.widths), id(layer.operator.starts)}
    assert apart["lr"] == layer.operator.length_rate


@pytest.mark.parametrize(
    ("form", "words"),
    [
        (Rectangles(blocks=(Rectangle(rows=(0, 13), columns=(0, 2), rank=1),)), "does not lie in its matrix"),
        (Rectangles(blocks=(Rectangle(rows=(12, 1), columns=(0, 2), rank=1),)), "does not lie in its matrix"),
        (Rectangles(blocks=(Rectangle(rows=(0, 3), columns=(0, 2), rank=3),)), "got rank 3; expected at most 2"),
        (Rectangles(blocks=()), "at least one block"),
        (Monarch(blocks=10, rank=1), "got 10 blocks; expected 1 to 9"),
        (Monarch(blocks=3, rank=5), "got rank 5; expected 1 to 3"),
        (Blast(blocks=2, rank=10), "got rank 10; expected 1 to 9"),
    ],
)
def test_structures_that_a_matrix_cannot_have(form, words):
    with pytest.raises(UserError, match=words):
        structured_like(nn.Linear(9, 12), form)
    with pytest.raises(UserError, match="at least one row"):
        form.operator(Shape(0, 3))
