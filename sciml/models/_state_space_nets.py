"""LSSL, S4, S4D and S5."""

from typing import Literal

from sciml.models._state_space import Normalisation, StateSpaceNetwork, Surroundings
from sciml.nn import Units
from sciml.nn.ssm import (
    DiagonalStart,
    DiagonalStateSpace,
    Hippo,
    Learned,
    LinearStateSpace,
    Method,
    NormalLowRankStateSpace,
    ScannedStateSpace,
)


class LSSL(StateSpaceNetwork):
    """A deep network of linear state-space layers with HiPPO matrices.

    The small one of the paper is ``features=128, state=128, depth=6`` (0.2 M parameters, nearly all of them the
    M H (H + N) of each layer), the large one ``features=256, state=256, channels=4, depth=4`` (2 M). With
    ``learn="none"`` it is LSSL-f, whose powers of matrices are made once.

    Arguments:
        in_channels, out_channels: of signals and of answers.
        features, state, channels: H, N and M.
        depth: layers.
        matrix: state matrix at the beginning.
        learn: what is trained of the state-space systems beside C and D.
        method: discretisation.
        dt_range: range of the time steps at the beginning; its inverse brackets the length of what is remembered.
        mean_inputs: drive the systems by means over steps, so that another sampling rate means nearly the same system.
        pooled, dropout, norm, linear, inputs, outputs: as for `Surroundings`.

    Reference:
        Gu, Johnson, Goel, Saab, Dao, Rudra, Re, "Combining Recurrent, Convolutional, and Continuous-time Models with
        Linear State-Space Layers", NeurIPS 2021, arXiv:2110.13985.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        features: int = 64,
        state: int = 64,
        channels: int = 1,
        depth: int = 4,
        matrix: Hippo | Literal["random"] = "legs",
        learn: Learned = "all",
        method: Method = "bilinear",
        dt_range: tuple[float, float] = (1e-3, 1e-1),
        mean_inputs: bool = False,
        pooled: bool = False,
        dropout: float = 0.0,
        norm: Normalisation = "pre",
        linear: bool = False,
        inputs: Units | None = None,
        outputs: Units | None = None,
    ) -> None:
        super().__init__(
            lambda: LinearStateSpace(
                features,
                state=state,
                channels=channels,
                matrix=matrix,
                learn=learn,
                method=method,
                dt_range=dt_range,
                mean_inputs=mean_inputs,
            ),
            in_channels,
            out_channels,
            depth=depth,
            features=features,
            channels=channels,
            around=Surroundings(pooled, dropout, norm, linear, inputs, outputs),
        )


class S4(StateSpaceNetwork):
    """The same network with state matrices that are normal but for one rank: LegS at the beginning, always stable.

    The kernel comes from sums over modes at every frequency instead of powers of a matrix.

    Arguments:
        learn: what is trained of the systems beside C and D; the others as for `LSSL`.

    Reference:
        Gu, Goel, Re, "Efficiently Modeling Long Sequences with Structured State Spaces", ICLR 2022, arXiv:2111.00396.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        features: int = 64,
        state: int = 64,
        channels: int = 1,
        depth: int = 4,
        learn: Learned = "all",
        dt_range: tuple[float, float] = (1e-3, 1e-1),
        mean_inputs: bool = False,
        pooled: bool = False,
        dropout: float = 0.0,
        norm: Normalisation = "pre",
        linear: bool = False,
        inputs: Units | None = None,
        outputs: Units | None = None,
    ) -> None:
        super().__init__(
            lambda: NormalLowRankStateSpace(
                features, state=state, channels=channels, learn=learn, dt_range=dt_range, mean_inputs=mean_inputs
            ),
            in_channels,
            out_channels,
            depth=depth,
            features=features,
            channels=channels,
            around=Surroundings(pooled, dropout, norm, linear, inputs, outputs),
        )


class S4D(StateSpaceNetwork):
    """The same network with diagonal state matrices: faster, and stable whatever is learned.

    Arguments:
        start: eigenvalues at the beginning; the others as for `LSSL`.

    Reference:
        Gu, Gupta, Goel, Re, "On the Parameterization and Initialization of Diagonal State Space Models", NeurIPS 2022,
        arXiv:2206.11893.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        features: int = 64,
        state: int = 64,
        channels: int = 1,
        depth: int = 4,
        start: DiagonalStart = "lin",
        dt_range: tuple[float, float] = (1e-3, 1e-1),
        mean_inputs: bool = False,
        pooled: bool = False,
        dropout: float = 0.0,
        norm: Normalisation = "pre",
        linear: bool = False,
        inputs: Units | None = None,
        outputs: Units | None = None,
    ) -> None:
        super().__init__(
            lambda: DiagonalStateSpace(
                features, state=state, channels=channels, start=start, dt_range=dt_range, mean_inputs=mean_inputs
            ),
            in_channels,
            out_channels,
            depth=depth,
            features=features,
            channels=channels,
            around=Surroundings(pooled, dropout, norm, linear, inputs, outputs),
        )


class S5(StateSpaceNetwork):
    """The same network with one diagonal system for all features of a layer, for samples at irregular times.

    Arguments:
        start: eigenvalues at the beginning; the others as for `LSSL`.

    Reference:
        Smith, Warrington, Linderman, "Simplified State Space Layers for Sequence Modeling", ICLR 2023,
        arXiv:2208.04933.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        features: int = 64,
        state: int = 64,
        depth: int = 4,
        start: DiagonalStart = "legs",
        dt_range: tuple[float, float] = (1e-3, 1e-1),
        mean_inputs: bool = False,
        pooled: bool = False,
        dropout: float = 0.0,
        norm: Normalisation = "pre",
        linear: bool = False,
        inputs: Units | None = None,
        outputs: Units | None = None,
    ) -> None:
        super().__init__(
            lambda: ScannedStateSpace(features, state=state, start=start, dt_range=dt_range, mean_inputs=mean_inputs),
            in_channels,
            out_channels,
            depth=depth,
            features=features,
            around=Surroundings(pooled, dropout, norm, linear, inputs, outputs),
        )
