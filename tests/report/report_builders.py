"""Synthetic but realistic run and study folders, and a strict reader of pages."""

import json
import math
from dataclasses import dataclass
from html.parser import HTMLParser

import numpy as np
import torch
import xarray

from sciml import metrics
from sciml.core.capabilities import Evolves
from sciml.core.problem import Field, Invariant, Parameter
from sciml.core.types import Axis, Grid
from sciml.study import Record

NAMES = {0: ("a", "b"), 1: ("u",), 2: ("h", "u", "v"), 3: ("s",)}
TITLES = {"sinenet": "SineNet", "persistence": "Persistence", "unet": "U-Net (equal size)"}


@dataclass(frozen=True, kw_only=True)
class Waves(Evolves):
    """Free waves on a torus; only its grid and invariants are used here."""

    def grid(self, size):
        return Grid(tuple(Axis("zyx"[3 - len(size) + i], n, 0.0, 2 * math.pi) for i, n in enumerate(size)))

    def initial(self, params, grid, generator):
        raise NotImplementedError

    def simulate(self, params, initial, times, grid):
        raise NotImplementedError


def _mass(states, params, grid):
    return states[:, :, 0].reshape(*states.shape[:2], -1).mean(-1)


def _energy(states, params, grid):
    return states.square().flatten(2).mean(-1) * params["depth"][:, None]


def make_problem(rank=2, **changes):
    names = NAMES[rank]
    words = {
        "name": "torus_waves",
        "title": "Waves on a torus",
        "equation": "∂h/∂t + ∇·(h u) = 0\n∂u/∂t + (ζ + f) k × u = −∇(g h + |u|²/2) + ν ∇²u",
        "fields": tuple(Field(n, n, "m" if n == "h" else "m/s", f"field number {i}") for i, n in enumerate(names)),
        "parameters": (Parameter("depth", "H", "m", "mean depth", 0.9, 1.1),),
        "boundary": dict.fromkeys("zyx"[3 - rank :], "periodic"),
        "invariants": (Invariant("mass", "total mass", _mass, 1e-6), Invariant("energy", "total energy", _energy, 0.1)),
        "metrics": ("one_step/relative_l2", "rollout/relative_l2"),
        "citation": "A textbook.",
    }
    return Waves(**(words | changes))


def _waves(rank, samples, times, size, seed, *, slow=1.0, smear=0.0):
    """Sums of travelling waves, channel by channel; `slow` shifts the phases, `smear` damps small scales in time."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.arange(size) / size * 2 * np.pi] * rank, indexing="ij")
    states = np.zeros((samples, len(times), len(NAMES[rank]), *[size] * rank))
    for s in range(samples):
        for c in range(len(NAMES[rank])):
            for _ in range(14):
                k = rng.integers(-5, 6, rank)
                speed, phase, size_k = rng.uniform(0.2, 1.0), rng.uniform(0, 2 * np.pi), 1 + float((k**2).sum())
                angle = sum((k_i * x for k_i, x in zip(k, axes, strict=True)), np.zeros([size] * rank))
                for i, t in enumerate(times):
                    damp = math.exp(-smear * t * size_k)
                    states[s, i, c] += damp * np.cos(angle - slow * speed * t + phase) / size_k
    states[:, :, 0] += 3.0
    return states.astype(np.float32)


def make_run(
    folder, *, rank=2, samples=5, frames=7, history=2, size=32, diverge=False, titles=TITLES, problem="torus_waves"
):
    """Write a run folder; with `diverge`, the worst sample of the solver breaks down half-way."""
    folder.mkdir(parents=True, exist_ok=True)
    times = np.arange(frames) * 0.5
    dims = ("sample", "time", *"zyx"[3 - rank :])
    true = _waves(rank, samples, times, size, 0)
    guesses = {
        "sinenet": _waves(rank, samples, times, size, 0, slow=0.97, smear=0.002),
        "persistence": np.repeat(true[:, history - 1 : history], frames, 1),
        "unet": _waves(rank, samples, times, size, 0, slow=0.90, smear=0.006),
    }
    if diverge:
        guesses["sinenet"][2, history + 2 :] = np.nan
        guesses["unet"][1, -1] = np.inf
    arrays = {
        name: (dims, true[:, :, c], {"units": "m", "long_name": f"field {name}"}) for c, name in enumerate(NAMES[rank])
    }
    arrays["depth"] = ("sample", np.linspace(0.9, 1.1, samples), {"units": "m"})
    path = folder / "predictions.h5"
    xarray.Dataset(arrays, {"time": times}, {"history": history}).to_netcdf(path, group="truth", engine="h5netcdf")
    entries = {}
    for position, (key, states) in enumerate(guesses.items()):
        named = "sample time channel *space"
        later = torch.as_tensor(states[:, history:]), torch.as_tensor(true[:, history:])
        error = metrics.relative_l2(*later, dims=named)
        values = {name: (dims, states[:, history:, c]) for c, name in enumerate(NAMES[rank])}
        values["relative_l2"] = (("sample", "time"), error.numpy())
        if rank:
            values["vrmse"] = (("sample", "time", "field"), metrics.vrmse(*later, dims=named).numpy())
        data = xarray.Dataset(values, {"time": times[history:]})
        data.to_netcdf(path, group=f"solvers/{key}", engine="h5netcdf", mode="a")
        rollout = float(error.mean())
        entries[key] = {
            "title": titles[key],
            "model": {"width": 16, "waves": 4} if position != 1 else {},
            "parameters": [48_211, 0, 47_902][position],
            "flops": [61_300_000, 0, 52_000_000][position],
            "train": {"steps": [500, 0, 500][position], "seconds": [71.3, 0.0, 64.0][position], "best_step": 400},
            "predict": {"seconds": [0.0012, 2e-6, 0.0010][position]},
            "metrics": {
                "test": {
                    "one_step/relative_l2": float(error[:, 0].mean()),
                    "rollout/relative_l2": rollout if math.isfinite(rollout) else None,
                    "rollout/valid_steps": [4.2, 1.1, 3.0][position],
                    "rollout/frmse_high": [0.012, 0.05, 0.02][position],
                    "rollout/energy_drift": [1e-4, 2e-2, 3e-3][position],
                }
            },
            "outcomes": {"ok": samples - 1, "diverged": 1} if diverge and position != 1 else {"ok": samples},
        }
    entry = entries.pop("sinenet")
    record = {
        **entry,
        "schema": "sciml/record/1",
        "problem": problem,
        "solver": "sinenet",
        "preset": "tiny",
        "seed": 0,
        "status": "diverged" if diverge else "finished",
        "dataset": {"hash": "0f3a" * 16, "card": {"grid": [size] * rank, "dt": 0.5, "frames": frames}},
        "baselines": entries,
        "versions": {"python": "3.11", "torch": "2.13"},
        "hardware": {"device": "cpu", "cores": 2},
        "git": None,
    }
    Record.model_validate(record).write(folder)
    lines = [
        {"step": s, "loss": 0.5 / s**0.5, "validation": 0.9 / s**0.4 + 0.05 * (s > 400)} for s in range(50, 501, 50)
    ]
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


def make_study(folder, *, labels=("SineNet, K = 2", "U-Net", "Persistence"), seeds=(0, 1, 2), drop=None):
    folder.mkdir(parents=True, exist_ok=True)
    names = ("sinenet", "unet", "persistence")
    claims = [
        ("SineNet is better than a U-Net by more than 10 %", "rollout/relative_l2", "sinenet", "unet", 0.1),
        ("SineNet halves the U-Net's error", "rollout/relative_l2", "sinenet", "unet", 0.5),
        ("SineNet stays valid for more steps", "rollout/valid_steps", "sinenet", "unet", 0.0),
        ("A U-Net beats SineNet in one step", "one_step/relative_l2", "unet", "sinenet", 0.0),
    ]
    study = {
        "title": "Waves at equal size",
        "question": "Does splitting one U-Net into waves lower the rollout error?",
        "problem": "torus_waves",
        "preset": "small",
        "seeds": list(seeds),
        "parameters": 48_000,
        "budgets": ["steps", "time"],
        "clock": "sinenet",
        "setup": "Tiny data, two cores.",
        "metrics": ["rollout/relative_l2", "one_step/relative_l2"],
        "variants": [{"name": n, "label": label, "solver": n} for n, label in zip(names, labels, strict=True)],
        "claims": [dict(zip(("text", "metric", "better", "worse", "margin"), claim, strict=True)) for claim in claims],
    }
    (folder / "study.json").write_text(json.dumps(study))
    rng = np.random.default_rng(0)
    lines = []
    for budget in ("steps", "time"):
        for seed in seeds:
            for i, name in enumerate(names):
                rollout = [0.20, 0.31, 0.62][i] * (1 + 0.03 * rng.standard_normal() * (i < 2))
                lines.append(
                    {
                        "variant": name,
                        "budget": budget,
                        "seed": seed,
                        "solver": name,
                        "preset": "small",
                        "status": "finished",
                        "parameters": [48_100, 62_400, 0][i],
                        "flops": 10,
                        "steps": [500, 610, 0][i],
                        "train_seconds": [70.0, 82.0, 0.0][i] + seed,
                        "predict_seconds": 1e-3,
                        "metrics": {
                            "rollout/relative_l2": None if (name, seed) == drop else rollout,
                            "one_step/relative_l2": 0.1 + 0.02 * rng.standard_normal(),
                            "rollout/valid_steps": [9.0, 7.0, 1.0][i] + 0.2 * seed,
                        },
                        "versions": {"torch": "2.13"},
                        "hardware": {"device": "cpu", "load": seed},
                        "git": None,
                        "dataset": "0f3a",
                    }
                )
    (folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return folder


class Page(HTMLParser):
    """Reads a page strictly: tags balance, identifiers are unique, and everything it refers to is collected."""

    VOID = frozenset({"meta", "img", "br", "hr", "link", "input"})

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.ids, self.references, self.words = [], [], [], [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"
        assert len(self.ids) == len(set(self.ids)), "an identifier is used twice"

    def handle_starttag(self, tag, attrs):
        self._note(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self._note(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def _note(self, tag, attrs):
        values = dict(attrs)
        assert len(values) == len(attrs), f"<{tag}> has an attribute twice"
        self.tags.append((tag, values))
        self.ids += [values["id"]] if "id" in values else []
        self.references += [values[key] for key in ("src", "href", "xlink:href", "data", "srcset") if key in values]

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, tag):
        return [values for name, values in self.tags if name == tag]
