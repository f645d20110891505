"""Laws with their exact solutions, measured with noise as often as a test asks for."""

from dataclasses import dataclass, field

import numpy as np
from scipy.integrate import solve_ivp

from sciml.discovery import HiddenPrior, TableData, read_table


@dataclass(frozen=True)
class Law:
    """Rates, starts, end of time; columns; the known part; the formulas that are hidden; what else is told."""

    rates: object
    starts: tuple
    end: float
    columns: tuple
    known: str
    hidden: tuple
    prior: HiddenPrior = field(default_factory=HiddenPrior)

    def exact(self, points):
        """Times, and states of every trajectory."""
        times = np.linspace(0, self.end, points)
        solved = [solve_ivp(self.rates, (0, self.end), y, t_eval=times, rtol=1e-10, atol=1e-12) for y in self.starts]
        return times, [one.y.T for one in solved]

    def draw(self, seed, noise=0.01, points=40):
        """Times per trajectory and noisy states; noise is a share of each column's standard deviation."""
        times, states = self.exact(points)
        random, spread = np.random.default_rng(seed), np.concatenate(states).std(0)
        return [times] * len(states), [y + noise * spread * random.normal(size=y.shape) for y in states]

    def problem(self, folder, seed, noise=0.01, points=40):
        """The draw as the problem of a table, no trajectory held out."""
        times, states = self.draw(seed, noise, points)
        rows = [
            ",".join(map(repr, map(float, (k, *row))))
            for k, (t, y) in enumerate(zip(times, states, strict=True))
            for row in np.column_stack([t, y])
        ]
        path = folder / "law.csv"
        path.write_text("\n".join([",".join(("trajectory", "t", *self.columns)), *rows]))
        source = read_table(path, self.known, prior=self.prior).source
        return TableData.model_validate({**source.model_dump(), "hold_out": False}).problem()


ALLEE = Law(
    lambda t, u: [0.8 * u[0] * (1 - u[0] / 3) * (u[0] / 0.8 - 1)], ((0.85,), (2.0,), (0.7,)), 6.0, ("x",), "x' = 0",
    ("-0.8*x + 1.2666666666666667*x**2 - 0.3333333333333333*x**3",),
)  # fmt: skip
NEURON = Law(
    lambda t, u: [u[0] - u[1] + 0.5 - u[0] ** 3 / 3, 0.08 * u[0] + 0.056 - 0.064 * u[1]],
    ((-1.0, 1.0), (1.5, 0.5), (0.0, -0.3)), 20.0, ("v", "w"), "v' = 0; w' = 0",
    ("1.0*v - 1.0*w + 0.5 - 0.3333333333333333*v**3", "0.08*v + 0.056 - 0.064*w"),
)  # fmt: skip
EPIDEMIC = Law(
    lambda t, u: [-0.9 * u[0] * u[1], 0.9 * u[0] * u[1] - 0.25 * u[1], 0.25 * u[1]],
    ((0.99, 0.01, 0.0), (0.8, 0.05, 0.15), (0.6, 0.3, 0.1)), 25.0, ("s", "i", "r"), "s' = 0; i' = 0; r' = 0",
    ("-0.9*i*s", "0.9*i*s - 0.25*i", "0.25*i"),
)  # fmt: skip
PREDATORS = Law(
    lambda t, u: [1.3 * u[0] - 0.9 * u[0] * u[1], -1.8 * u[1] + 0.8 * u[0] * u[1]],
    ((0.44, 4.6), (1.5, 1.0), (3.0, 2.0)), 6.0, ("x", "y"), "x' = 1.3*x; y' = -1.8*y", ("-0.9*x*y", "0.8*x*y"),
)  # fmt: skip
ENZYME = Law(
    lambda t, u: [0.3 - 1.5 * u[0] / (0.6 + u[0])], ((5.0,), (2.0,), (0.5,)), 4.0, ("C",), "C' = 0.3",
    ("-1.5*C/(C + 0.6)",),
)  # fmt: skip
DRAG = Law(
    lambda t, u: [9.81 - 0.5 * abs(u[0]) * u[0]], ((0.0,), (8.0,), (-6.0,)), 2.0, ("v",), "v' = 0",
    ("9.81 - 0.5*v*abs(v)",),
)  # fmt: skip
SWITCH = Law(
    lambda t, u: [0.1 + 1.5 * u[0] ** 4 / (1 + u[0] ** 4) - 0.8 * u[0]], ((0.05,), (0.9,), (3.0,)), 8.0, ("x",),
    "x' = 0", ("0.1 + 1.5*x**4/(x**4 + 1.0) - 0.8*x",),
)  # fmt: skip
GRAZERS = Law(
    lambda t, u: [
        u[0] * (1 - u[0] / 3) - 1.2 * u[0] * u[1] / (0.5 + u[0]), 0.7 * u[0] * u[1] / (0.5 + u[0]) - 0.3 * u[1]
    ],
    ((1.0, 0.5), (2.5, 1.0), (0.3, 1.5)), 15.0, ("x", "y"), "x' = 0; y' = 0",
    ("1.0*x - 0.3333333333333333*x**2 - 1.2*x*y/(x + 0.5)", "0.7*x*y/(x + 0.5) - 0.3*y"),
)  # fmt: skip
