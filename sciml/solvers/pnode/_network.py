"""The reduced model of a problem with networks for what it does not know."""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sciml import ode
from sciml.core.capabilities import HasReducedModel
from sciml.core.errors import ConfigError
from sciml.core.forcing import check_forcing, forcing_breaks
from sciml.core.problem import Parameter
from sciml.core.types import Params
from sciml.data import Statistics
from sciml.nn import full_precision
from sciml.solvers.pnode._closures import Coefficient, Pieces, Source
from sciml.solvers.pnode._config import PNODEConfig

_SEARCHING = 400  # attempted steps while closures are looked for; what takes more is no candidate
_LARGEST = 1e6  # derivative of the loss by what a network says of a sample


class Scaled(nn.Module):
    """η: every parameter that varies, mapped from its range to [-1, 1], by its logarithm where it is drawn so."""

    centre: Tensor
    reach: Tensor

    def __init__(self, parameters: Sequence[Parameter]) -> None:
        super().__init__()
        self.columns = [i for i, entry in enumerate(parameters) if entry.high > entry.low]
        chosen = [parameters[i] for i in self.columns]
        self.logs = [entry.scale == "log" for entry in chosen]
        ends = [[math.log(v) if log else v for v in (entry.low, entry.high)]
                for entry, log in zip(chosen, self.logs, strict=True)]  # fmt: skip
        self.register_buffer("centre", torch.tensor([(a + b) / 2 for a, b in ends], dtype=torch.float64))
        self.register_buffer("reach", torch.tensor([(b - a) / 2 for a, b in ends], dtype=torch.float64))

    def forward(self, parameters: Float[Tensor, "batch parameter"]) -> Float[Tensor, "batch feature"]:
        """The features of physical parameters in declaration order."""
        columns = [parameters[:, i].log() if log else parameters[:, i]
                   for i, log in zip(self.columns, self.logs, strict=True)]  # fmt: skip
        features = torch.stack(columns, dim=1) if columns else parameters[:, :0]
        return (features - self.centre) / self.reach


class RightHandSide(nn.Module):
    """d(state)/dt of the reduced model; what networks say of a sample as a whole comes as arguments, row by row.

    Arguments:
        problem: whose model it is.
        sources: by name of the closure.
        coefficients: names of the learned ones.
    """

    def __init__(self, problem: HasReducedModel, sources: Mapping[str, Source], coefficients: Sequence[str]) -> None:
        super().__init__()
        self.model, self.guesses, self.coefficients = problem, dict(problem.closures()), tuple(coefficients)
        self.names = tuple(entry.name for entry in problem.parameters)
        self.sources = nn.ModuleDict(dict(sources))
        self.courses = dict(sources)  # the same modules, with their type

    def pack(self, parameters: Tensor, learned: Mapping[str, Pieces]) -> Pieces:
        """The arguments of `forward` after the state."""
        return parameters, *(piece for name in (*self.coefficients, *self.sources) for piece in learned[name])

    def forward(
        self, time: Float[Tensor, " row"], state: Float[Tensor, "row component"], parameters: Tensor, *args: Tensor
    ) -> Float[Tensor, "row component"]:
        """The slope."""
        params = dict(zip(self.names, parameters.unbind(1), strict=True))
        closures, left = dict(self.guesses), list(args)
        for name in self.coefficients:
            closures[name] = _constant(left.pop(0))
        for name, source in self.courses.items():
            closures[name] = _course(source, left[: source.count])
            left = left[source.count :]
        return self.model.dynamics(time, state, params, closures)


def _without_overflow(gradient: Tensor) -> Tensor:
    """The gradient but for samples in which it is beyond all use: past an explosion it grows and grows."""
    rows = (gradient.abs() < _LARGEST).flatten(1).all(1) if gradient.ndim > 1 else gradient.abs() < _LARGEST
    return torch.where(rows.view(-1, *[1] * (gradient.ndim - 1)), gradient, 0.0)


def _constant(value: Tensor) -> Callable[..., Tensor]:
    return lambda params: value


def _course(source: Source, pieces: Sequence[Tensor]) -> Callable[..., Tensor]:
    return lambda time, params: source(time, params, *pieces)


class PNODE(nn.Module):
    """Trajectories of a reduced model whose unknown closures are networks of the parameters.

        z(t_0) = encode(u(t_0)),   dz/dt = f(t, z, p; closures(η; θ)),   u(t) = decode(z(t))

    What `decode` guarantees (an equation of state, shares that sum to one) holds whatever the networks say, and so do
    the bounds of the closures. Everything is computed in float64.

    Arguments:
        config: hyper-parameters.
        problem: whose model it is.
        statistics: of fields and parameters; they set the typical size of the state's components.
        times: of the frames of the data, which a program answers at.

    Raises: ConfigError if a closure that shall be learned is not one of the uncertain ones.

    Reference:
        Qian, Wang, Douasbin, Darve, "Physics-based parameterized neural ordinary differential equations: prediction of
        laser ignition in a rocket combustor", arXiv:2302.08629 (2023).
        Lee, Parish, "Parameterized neural ordinary differential equations", Proc. R. Soc. A 477 (2021).
    """

    field_std: Tensor
    sizes: Tensor

    def __init__(
        self, config: PNODEConfig, problem: HasReducedModel, statistics: Statistics, times: Sequence[float] = ()
    ) -> None:
        super().__init__()
        known = {entry.name: entry for entry in problem.uncertain}
        chosen = config.learn
        if isinstance(chosen, str):
            chosen = tuple(n for n, entry in known.items() if chosen in ("all", entry.kind + "s"))
        if not set(chosen) <= set(known) or len(set(chosen)) < len(chosen):
            raise ConfigError(
                f"these closures of problem {problem.name!r} cannot be learned",
                got=", ".join(chosen), expected=f"some of: {', '.join(known)}, each once",
            )  # fmt: skip
        learnt = [n for n in chosen if known[n].kind == "coefficient"]
        if not set(config.constants) <= set(learnt):
            raise ConfigError(
                "model.constants names closures that are not learned coefficients",
                got=", ".join(config.constants), expected=f"some of: {', '.join(learnt) or '(none)'}",
            )  # fmt: skip
        if config.integrate.step is not None:
            ode.check_fixed(config.integrate.step_method, config.integrate.step)
        self.config, self.problem, self.times = config, problem, tuple(times)
        self.solves, self.calls, self.evaluations = 0, 0, 0.0  # of the right-hand side, for who counts what it takes
        self.features = Scaled(problem.parameters)
        count = len(self.features.columns)
        with torch.device("cpu"):
            middle = statistics.parameter_mean.double().cpu()[None]
            params = self.named(middle)
            guesses = problem.closures()
            numbers = {n: guesses[n](params).numel() for n in learnt}
            check_forcing(problem)
            sizes = self._sizes(statistics, params)
        sources = {n: Source(known[n], guesses[n], config, features=count) for n in chosen if known[n].kind == "source"}
        self.coefficients = nn.ModuleDict(
            {n: Coefficient(known[n], guesses[n], config, features=count, count=k) for n, k in numbers.items()}
        )
        self.field = RightHandSide(problem, sources, tuple(numbers))
        self.register_buffer("field_std", statistics.field_std.clone())
        self.register_buffer("sizes", sizes)
        self.double()

    def named(self, parameters: Float[Tensor, "batch parameter"]) -> Params:
        """Parameters by name."""
        names = [entry.name for entry in self.problem.parameters]
        return dict(zip(names, parameters.unbind(1), strict=True))

    @property
    def sources(self) -> nn.ModuleDict:
        """The learned sources by name."""
        return self.field.sources

    def learned(
        self, parameters: Float[Tensor, "batch parameter"], offsets: Mapping[str, Tensor] | None = None
    ) -> dict[str, Pieces]:
        """What the networks say for every sample, by closure; `offsets` stand in for those of the closures."""
        params, features, offsets = self.named(parameters), self.features(parameters), offsets or {}
        pieces: dict[str, Pieces] = {n: (c(params, features, offsets.get(n)),) for n, c in self.coefficients.items()}
        for name, source in self.field.courses.items():
            pieces[name] = source.prepare(params, features, offsets.get(name))
        return pieces

    @property
    def offsets(self) -> dict[str, nn.Parameter]:
        """What is the same for all samples in the argument of every learned closure, by name."""
        closures = {**self.coefficients, **self.sources}
        return {name: closure.get_parameter("offset") for name, closure in closures.items()}

    def source(
        self, name: str, parameters: Float[Tensor, "batch parameter"], times: Float[Tensor, " time"]
    ) -> Float[Tensor, "batch time"]:
        """The course of a learned source."""
        parameters, source = parameters.double(), self.field.courses[name]
        pieces = source.prepare(self.named(parameters), self.features(parameters))
        rows = [piece.repeat_interleave(len(times), 0) for piece in (parameters, *pieces)]
        return source(times.double().repeat(len(parameters)), self.named(rows[0]), *rows[1:]).view(len(parameters), -1)

    def forward(
        self,
        fields: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        times: Float[Tensor, "*batch time"],
        *,
        tolerance: float | None = None,
        offsets: Mapping[str, Tensor] | None = None,
    ) -> tuple[Float[Tensor, "batch time channel"], ode.Solution]:
        """Fields in physical units at `times`, the first of which is that of `fields`, and what the solve says.

        No step crosses a time at which the forcing begins, peaks or ends (`forcing_breaks`), wherever `times` begin.

        `offsets` stand in for those of the closures, row by row, for a search: samples that need many steps are then
        given up early.
        """
        c = self.config.integrate
        rtol = c.rtol if tolerance is None else tolerance
        with full_precision(fields):
            parameters = parameters.double()
            params = self.named(parameters)
            args = self.field.pack(parameters, self.learned(parameters, offsets))
            for piece in args:
                if piece.requires_grad:
                    piece.register_hook(_without_overflow)
            steps = c.max_steps if offsets is None else min(c.max_steps, _SEARCHING)
            atol = (c.atol if tolerance is None else 0.1 * tolerance) * self.sizes
            gradient = ode.Discrete() if c.gradient == "discrete" else ode.Checkpointed()
            start, breaks = self.problem.encode(fields.double(), params), forcing_breaks(self.problem, params)
            if breaks is None:
                solution = ode.solve(
                    self.field, start, times.double(), args=args, method=c.method, rtol=rtol, atol=atol,
                    gradient=gradient, max_steps=steps,
                )  # fmt: skip
            else:
                solution = ode.solve_forced(
                    self.field, start, times.double(), breaks, share=c.share, args=args, method=c.method, rtol=rtol,
                    atol=atol, gradient=gradient, max_steps=steps,
                )  # fmt: skip
            self.solves += 1
            self.calls += solution.stats.calls
            self.evaluations += float(solution.stats.evaluations.double().mean())
            return self.problem.decode(solution.states, params), solution

    def fixed(
        self,
        fields: Float[Tensor, "batch channel"],
        parameters: Float[Tensor, "batch parameter"],
        times: Sequence[float],
        step: float,
    ) -> tuple[Float[Tensor, "batch time channel"], int]:
        """As `forward`, by fixed steps, and how often they ask for the right-hand side."""
        method, parameters = self.config.integrate.step_method, parameters.double()
        params = self.named(parameters)
        breaks = forcing_breaks(self.problem, params)
        states = ode.fixed_steps(
            self.field, self.problem.encode(fields.double(), params), times, step=step, breaks=breaks,
            args=self.field.pack(parameters, self.learned(parameters)), method=method,
        )  # fmt: skip
        steps = ode.count_steps(step, times[-1] - times[0]) + (0 if breaks is None else breaks.shape[1])
        return self.problem.decode(states, params), steps * ode.check_fixed(method, step).stages

    def _sizes(self, statistics: Statistics, params: Params) -> Float[Tensor, " component"]:
        """|z| + |Δz| at the mean of the fields, Δz for a standard deviation of all of them; 1 where that is nothing."""
        mean, std = statistics.field_mean.double().cpu()[None], statistics.field_std.double().cpu()[None]
        middle = self.problem.encode(mean, params)[0]
        change = self.problem.encode(mean + std, params)[0] - middle
        sizes = (middle.abs() + change.abs()).nan_to_num(0.0, 0.0, 0.0)
        return torch.where(sizes > 0, sizes, 1.0)
