"""Tables of cases as people have them: T(t) = T0 + 500 (1 - exp(-k t)), Y(t) = exp(-k t)."""

import numpy as np

TIMES = np.linspace(0, 1, 6)
COUNT = 8


def parameters(count=COUNT):
    """T0 and k of every case."""
    generator = np.random.default_rng(1)
    return np.round(generator.uniform(900, 1100, count), 3), np.round(generator.uniform(1, 3, count), 4)


def courses(count=COUNT):
    """T and Y, ``case time``."""
    start, rate = parameters(count)
    decay = np.exp(-rate[:, None] * TIMES)
    return start[:, None] + 500 * (1 - decay), decay


def write(path, header, rows, separator=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [separator.join(header), *(separator.join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def long_rows(count=COUNT):
    start, rate = parameters(count)
    temperature, share = courses(count)
    return [
        [f"c{i}", start[i], rate[i], t, temperature[i, n], share[i, n]]
        for i in range(count)
        for n, t in enumerate(TIMES)
    ]


LONG = ["case", "T0 (K)", "k [1/s]", "t (s)", "T (K)", "Y"]


def long(path, rows=None, header=LONG):
    return write(path, header, long_rows() if rows is None else rows)


def wide(path, name=lambda n, t: f"T@{t:g}s (K)"):
    (start, rate), (temperature, _) = parameters(), courses()
    header = ["T0 (K)", "k", *(name(n, t) for n, t in enumerate(TIMES))]
    return write(path, header, [[start[i], rate[i], *temperature[i]] for i in range(COUNT)])


def indexed(folder, names=lambda i: f"run_{i}.csv"):
    (start, rate), (temperature, share) = parameters(), courses()
    for i in range(COUNT):
        write(folder / f"run_{i}.csv", ["t (s)", "T (K)", "Y"], zip(TIMES, temperature[i], share[i], strict=True))
    return write(folder / "index.csv", ["file", "T0 (K)", "k"], [[names(i), start[i], rate[i]] for i in range(COUNT)])


def rows(path, count=COUNT, header=("T0 (K)", "k (1/s)", "delay (ms)", "peak (K)")):
    start, rate = parameters(count)
    return write(path, header, [[start[i], rate[i], 1 / rate[i], start[i] + 500] for i in range(count)])
