"""Weights in the layout of the authors' code, against an implementation of the published equations that shares nothing
with ours but torch's functions."""

import re

import pytest
import safetensors.torch
import torch
from torch.nn.functional import avg_pool2d, conv2d, gelu, group_norm, interpolate, linear, pad

from sciml.core.errors import CheckpointError
from sciml.models import published_sinenet

C0, GROWTH, LEVELS = 8, 1.425, 4
CHANNELS = [int(C0 * GROWTH**level) for level in range(LEVELS + 1)]


def weights(waves=2, blocks=1, parallel=True, shortcuts=True, condition="", scalars=0):
    """Random weights under the names and in the shapes that the authors' code gives them."""
    generator, table = torch.Generator().manual_seed(5), {}

    def put(name, *shape):
        fan = max(1, torch.Size(shape[1:]).numel())
        table[f"{name}.weight"] = torch.randn(shape, generator=generator, dtype=torch.float64) / fan**0.5
        table[f"{name}.bias"] = 0.1 * torch.randn(shape[0], generator=generator, dtype=torch.float64)

    def block(name, channels_in, channels_out):
        for i, channels in ((1, channels_in), (2, channels_out)):
            put(f"{name}.conv{i}", channels_out, channels, 3, 3)
            put(f"{name}.norm{i}", channels_out)
            table[f"{name}.norm{i}.weight"] = 1 + table[f"{name}.norm{i}.bias"].flip(0)
        if condition:
            put(f"{name}.cond_emb", channels_out * (2 if condition == "adagn" else 1), 4 * C0)

    put("image_proj", C0, 6, 3, 3)
    put("final", 3, C0, 3, 3)
    for name in ("time_embed", "pde_emb")[:scalars]:
        put(f"{name}.0", 4 * C0, C0)
        put(f"{name}.2", 4 * C0, 4 * C0)
    for wave in range(waves):
        for level in range(LEVELS):
            fine, coarse = CHANNELS[level], CHANNELS[level + 1]
            side = C0 if parallel and level else 0
            low, high = CHANNELS[LEVELS - 1 - level], CHANNELS[LEVELS - level]
            for way, into, out, first in (("down", fine, coarse, fine + side), ("up", high, low, high + low)):
                for i in range(blocks):
                    block(f"{way}.{wave}.{level}.conv.{i}", first if i == 0 else out, out)
                if shortcuts:
                    put(f"{way}.{wave}.{level}.shortcut", out, into, 1, 1)
    return table


class Published:
    """z₀ = P(X), z_k = z_{k-1} + V_k(z_{k-1}), u = Q(z_K), with torch's functions from the paper's equations."""

    def __init__(self, table, circular):
        self.table, self.circular = table, circular

    def conv(self, name, x):
        w, b = self.table[f"{name}.weight"], self.table[f"{name}.bias"]
        n = w.shape[-1] // 2
        return conv2d(pad(x, (n,) * 4, mode="circular" if self.circular else "constant"), w, b)

    def embed(self, condition):
        total = 0
        for name, scalar in zip(("time_embed", "pde_emb"), condition.T, strict=False):
            k = torch.arange(C0 // 2, dtype=torch.float64)
            angle = scalar[:, None] * 10000 ** (-k / (C0 // 2))
            h = torch.cat([torch.cos(angle), torch.sin(angle)], 1)
            h = gelu(linear(h, self.table[f"{name}.0.weight"], self.table[f"{name}.0.bias"]))
            total = total + linear(h, self.table[f"{name}.2.weight"], self.table[f"{name}.2.bias"])
        return total

    def block(self, name, x, e):
        for i in (1, 2):
            norm = f"{name}.norm{i}"
            x = gelu(
                group_norm(self.conv(f"{name}.conv{i}", x), 1, self.table[f"{norm}.weight"], self.table[f"{norm}.bias"])
            )
            if i == 1 and e is not None:
                change = linear(e, self.table[f"{name}.cond_emb.weight"], self.table[f"{name}.cond_emb.bias"])
                change = change[..., None, None]
                if change.shape[1] == x.shape[1]:
                    x = x + change
                else:
                    x = x * (1 + change[:, : x.shape[1]]) + change[:, x.shape[1] :]
        return x

    def stage(self, name, g, x, e):
        i = 0
        while f"{name}.conv.{i}.conv1.weight" in self.table:
            beside = x if i else g
            x = self.block(f"{name}.conv.{i}", x, e)
            if f"{name}.shortcut.weight" in self.table:
                x = x + (beside if i else self.conv(f"{name}.shortcut", beside))
            i += 1
        return x

    def refine(self, x):
        if not self.circular:
            return interpolate(x, scale_factor=2, mode="bicubic")
        return interpolate(pad(x, (2,) * 4, mode="circular"), scale_factor=2, mode="bicubic")[..., 4:-4, 4:-4]

    def __call__(self, x, condition=None, residual=True):
        e = None if condition is None else self.embed(condition)
        z, wave = self.conv("image_proj", x), 0
        while f"down.{wave}.0.conv.0.conv1.weight" in self.table:
            h, p, skips = z, z, []
            for level in range(LEVELS):
                skips.append(h)
                g, p, name = avg_pool2d(h, 2), avg_pool2d(p, 2), f"down.{wave}.{level}"
                wants = self.table[f"{name}.conv.0.conv1.weight"].shape[1]
                h = self.stage(name, g, g if wants == g.shape[1] else torch.cat([g, p], 1), e)
            for level in range(LEVELS):
                g = self.refine(h)
                h = self.stage(f"up.{wave}.{level}", g, torch.cat([skips.pop(), g], 1), e)
            z, wave = (z + h if residual else h), wave + 1
        return self.conv("final", z)


def fields():
    return torch.randn(2, 6, 32, 48, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("padding", ["circular", "zeros"])
@pytest.mark.parametrize(
    "design",
    [{}, {"blocks": 3, "waves": 1}, {"parallel": False}, {"shortcuts": False}],
    ids=["published", "deeper", "entangled", "no shortcuts"],
)
def test_outputs_are_those_of_the_published_equations(design, padding):
    table = weights(**design)
    network = published_sinenet(table, padding=padding)
    with torch.no_grad():
        torch.testing.assert_close(
            network(fields()), Published(table, padding == "circular")(fields()), rtol=1e-9, atol=1e-9
        )
        other = published_sinenet(table, padding=padding, wave_residual=False)(fields())
        expected = Published(table, padding == "circular")(fields(), residual=False)
    torch.testing.assert_close(other, expected, rtol=1e-9, atol=1e-9)
    assert sum(p.numel() for p in network.parameters()) == sum(t.numel() for t in table.values())


@pytest.mark.parametrize("condition", ["add", "adagn"])
@pytest.mark.parametrize("scalars", [1, 2])
def test_conditioned_outputs_are_those_of_the_published_equations(condition, scalars):
    table = weights(condition=condition, scalars=scalars)
    network, told = (
        published_sinenet(table, padding="zeros"),
        torch.tensor([[1.0, 0.3], [4.0, 0.5]])[:, :scalars].double(),
    )
    with torch.no_grad():
        torch.testing.assert_close(
            network(fields(), told), Published(table, False)(fields(), told), rtol=1e-6, atol=1e-6
        )


def test_single_precision_agrees_to_the_fifth_digit():
    table = {name: value.float() for name, value in weights().items()}
    network = published_sinenet(table, padding="circular", size=(32, 48))
    expected = Published(table, True)(fields().float())
    assert network.decoder.conv.weight.dtype == torch.float32
    with torch.no_grad():
        assert (network(fields().float()) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_every_way_it_may_be_stored(tmp_path):
    table = weights(waves=1)
    torch.save(
        {"state_dict": {f"model.module.{k}": v for k, v in table.items()}, "epoch": 3}, tmp_path / "lightning.ckpt"
    )
    torch.save(table, tmp_path / "plain.pt")
    safetensors.torch.save_file(table, tmp_path / "weights.safetensors")
    answers = []
    for name in ("lightning.ckpt", "plain.pt", "weights.safetensors"):
        with torch.no_grad():
            answers.append(published_sinenet(tmp_path / name, padding="circular")(fields()))
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])


@pytest.mark.parametrize(("multiplier", "waves"), [(2.0, 1), (1.8075, 2), (1.611, 4), (1.5, 6), (1.425, 8)])
def test_the_published_channels_give_the_published_multipliers(multiplier, waves):
    from sciml.models import channel_multiplier, wave_channels

    channels = wave_channels(64, multiplier, 4)
    assert wave_channels(64, channel_multiplier(channels), 4) == channels


class Harmful:
    def __reduce__(self):
        return (print, ("this must not run",))


def test_what_is_no_such_checkpoint_is_refused(tmp_path, capsys):
    torch.save({"state_dict": Harmful()}, tmp_path / "evil.ckpt")
    with pytest.raises(CheckpointError, match="cannot be read as weights alone"):
        published_sinenet(tmp_path / "evil.ckpt", padding="zeros")
    assert "must not run" not in capsys.readouterr().out
    with pytest.raises(CheckpointError, match="there is no file"):
        published_sinenet(tmp_path / "none.ckpt", padding="zeros")
    table = weights(waves=1)
    for name, change in (
        ("a weight 'lift.weight'", {"lift.weight": torch.ones(1)}),
        ("an entry 'epoch' that is no tensor", {"epoch": 3}),
        ("do not grow by one factor", {"down.0.1.conv.0.conv1.weight": torch.ones(900, 19, 3, 3).double()}),
    ):
        with pytest.raises(CheckpointError, match=re.escape(name)):
            published_sinenet(table | change, padding="zeros")
    with pytest.raises(CheckpointError, match=r"layout of the authors' code.*expected weights image_proj"):
        published_sinenet({k: v for k, v in table.items() if not k.startswith("final")}, padding="zeros")
    with pytest.raises(CheckpointError, match=r"no waves"):
        published_sinenet({"image_proj.weight": torch.ones(4, 3, 3, 3)}, padding="zeros")
