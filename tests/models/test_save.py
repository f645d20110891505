"""Networks in files: every one of them comes back with its answers; a file that is not in order is refused."""

import copy
import inspect
import json
import subprocess
import sys

import pytest
import safetensors
import safetensors.torch
import torch
from network_cases import CASES, PICTURES, POINTS
from torch import nn

from sciml import models
from sciml.core.errors import CheckpointError, UserError
from sciml.models import (
    FNO,
    LSSL,
    MLP,
    NPDEMLP,
    NPDERNN,
    S4,
    S4D,
    S5,
    BoostedTreesMap,
    CausalCNN,
    CNNBranch,
    Coupling,
    DeepONet,
    DiffuseConfig,
    DilatedBlock,
    DilResNet,
    Dynamics,
    Flow,
    FlowField,
    GlorotMLP,
    GRUSeries,
    IntegrateConfig,
    KernelRidgeMap,
    LatentField,
    MIONet,
    NPDEConv,
    NPDEFree,
    NPDESpec,
    ODEBlock,
    ODENet,
    PeriodicFeatures,
    PlanarVelocity,
    PODDeepONet,
    PODStateSpace,
    Processes,
    RealNVP,
    RecurrentNetwork,
    RegulariseConfig,
    SDEBlock,
    SDENet,
    SequenceTransformer,
    SineNet,
    StableNPDE,
    StackedBranch,
    StateField,
    UNet,
    Vanishing,
    Wave,
    WithIntegral,
)
from sciml.models.npde import Constant, Diffusion, Reaction, SpecAxis, Trainable
from sciml.nn import Network, Units

FIELDS = torch.randn(2, 2, 8, 12, generator=torch.Generator().manual_seed(0))
TIME = torch.zeros(5)
ROWS = torch.randn(9, 2, generator=torch.Generator().manual_seed(5))
PLANE = {"in_channels": 2, "out_channels": 1, "padding": ("zeros", "circular")}
SIGNALS = torch.randn(3, 9, 2, generator=torch.Generator().manual_seed(4))
UNITS = Units.plain(2)
UNITS.field_mean += 3.0


FISHER = NPDESpec(
    axes=(SpecAxis(name="x", size=8),),
    dt=1e-3,
    coefficients=(Trainable(name="D", start=0.1), Constant(name="r", value=2.0)),
    terms=(Diffusion(target="u", coefficient="D"), Reaction(target="u", formula="u*(1 - u)", coefficient="r")),
)


def evolved(network):
    return network(FIELDS[:, :1, 0, :8])


def fields(network):
    return network(FIELDS, torch.ones(2, 3))


def functions(network):
    return network(FIELDS[:, 0, 0, :5], POINTS)


def fitted(network):
    network.fit(torch.randn(4, 6, 1, generator=torch.Generator().manual_seed(4)))
    return network


def learned(network, **choices):
    network.fit(ROWS, ROWS.sin().sum(1, keepdim=True), **choices)
    return network


def grown(network):
    network.fit_values(0, ROWS, ROWS.sin().sum(1), depths=[1, 2])
    return network


def noisy(network):
    return network(POINTS, torch.linspace(0, 1, 3), seed=0)


def sequence(network):
    return network(SIGNALS, 1.5)


MORE = {
    "fno": (lambda: FNO(modes=3, width=4, layers=2, condition_channels=3, **PLANE), fields),
    "unet": (lambda: UNet(levels=1, width=4, condition_channels=3, conditioning="add", **PLANE), fields),
    "sinenet": (
        lambda: SineNet(waves=2, levels=1, width=4, multiplier=1.5, size=(8, 12), condition_channels=3, **PLANE),
        fields,
    ),
    "dilresnet": (lambda: DilResNet(width=4, blocks=1, condition_channels=3, **PLANE), fields),
    "wave": (
        lambda: Wave((4, 6), modes=("circular",) * 2, size=None, disentangle=True, residual=True, condition="none"),
        None,
    ),
    "dilated block": (
        lambda: DilatedBlock(2, modes=("circular", "zeros"), condition="none"), lambda m: m(FIELDS)
    ),
    "deeponet": (lambda: DeepONet(sensors=5, dims=2, modes=4, width=3), functions),
    "deeponet of parts": (
        lambda: DeepONet(
            sensors=12, dims=2, fields=2, modes=3, strategy="split_branch", branch=CNNBranch((3, 4), 6, width=2),
            features=PeriodicFeatures((True, False)), constraint=Vanishing(((1, True),)),
        ),
        lambda m: m(FIELDS[:, 0, :1].flatten(1), POINTS),
    ),
    "mionet": (
        lambda: MIONet(sensors=(5, 3), dims=2, modes=4, width=3),
        lambda m: m(FIELDS[:, 0, 0, :8], POINTS),
    ),
    "pod deeponet": (
        lambda: fitted(PODDeepONet(sensors=5, queries=6, modes=2, width=4)), lambda m: m(FIELDS[:, 0, 0, :5])
    ),
    "branch": (lambda: CNNBranch((8, 12), 3, channels_in=2, width=2), lambda m: m(FIELDS.flatten(1))),
    "features": (lambda: PeriodicFeatures((True, False), harmonics=2), lambda m: m(POINTS)),
    "vanishing": (lambda: Vanishing(((0, False), (1, True))), lambda m: m(POINTS, torch.ones(2, 5, 1))),
    "net of a branch": (lambda: GlorotMLP((2, 4, 3), nonlinearity="gelu", activate_last=True), lambda m: m(POINTS)),
    "stacked branch": (lambda: StackedBranch(2, 3, width=4, last_bias=True), lambda m: m(POINTS)),
    "kernel ridge": (lambda: learned(KernelRidgeMap(2, 1, samples=9), gammas=[1.0], alphas=[0.1]), lambda m: m(POINTS)),
    "processes": (lambda: Processes(2, 4, 2), lambda m: m.mean(POINTS)),
    "boosted trees": (lambda: grown(BoostedTreesMap(1, trees=3, depth=2)), lambda m: m(POINTS)),
    "velocity": (lambda: PlanarVelocity(2, width=3, hidden=4), lambda m: m(TIME, POINTS)),
    "flow field": (
        lambda: FlowField(PlanarVelocity(2, width=3, hidden=4)),
        lambda m: m(TIME, torch.cat((POINTS, POINTS[:, :1]), 1)),
    ),
    "coupling": (
        lambda: Coupling(torch.tensor([1.0, 0.0]), width=4, layers=1, nonlinearity="silu"), lambda m: m(POINTS)[0]
    ),
    "state field": (lambda: StateField(2, width=4, clock=True), lambda m: m(TIME, POINTS)),
    "latent field": (lambda: LatentField(2, units=3, rate=0.5), lambda m: m(TIME, POINTS)),
    "with integral": (
        lambda: WithIntegral(LatentField(2, units=3), torch.Size([2]), kind="rnode", watched=2, jacobian=0.1),
        lambda m: m(TIME, torch.cat((POINTS, POINTS[:, :1]), 1), torch.ones_like(POINTS)),
    ),
    "ode block": (
        lambda: ODEBlock(LatentField(2, units=3), integrate=IntegrateConfig(rtol=1e-3), watched=1),
        lambda m: m(POINTS, torch.linspace(0, 1, 3))[0],
    ),
    "sde block": (
        lambda: SDEBlock(LatentField(2, units=3), LatentField(2, units=2), integrate=DiffuseConfig(method="euler")),
        None,
    ),
    "units": (lambda: GRUSeries(2, hidden=4, width=3, units=UNITS), CASES["gru"][1]),
    "units of couplings": (lambda: RealNVP(2, couplings=2, width=4, units=UNITS), CASES["realnvp"][1]),
    "moments": (lambda: Dynamics(2, width=4, units=UNITS), CASES["dynamics"][1]),
    "means": (lambda: Flow(2, width=4, mean=torch.ones(2), std=torch.full((2,), 3.0)), CASES["flow"][1]),
    "lssl": (lambda: LSSL(2, 3, features=4, state=4, depth=1, dt_range=(0.01, 0.1), pooled=True), sequence),
    "lssl in units": (lambda: LSSL(2, 3, features=4, state=4, depth=1, learn="dt", inputs=UNITS), sequence),
    "s4": (lambda: S4(2, 3, features=4, state=4, depth=1), sequence),
    "pod state space": (
        lambda: PODStateSpace((4,), fields=2, history=1, modes=3, features=4, state=4, depth=1),
        lambda m: m(torch.ones(2, 2, 4)),
    ),
    "transformer": (lambda: SequenceTransformer(2, 3, head_size=2, heads=2, depth=1), sequence),
    "s4d": (lambda: S4D(2, 3, features=4, state=4, depth=1), sequence),
    "s5": (lambda: S5(2, 3, features=4, state=4, depth=1, norm="none"), sequence),
    "recurrent": (lambda: RecurrentNetwork(2, 3, cell="gru", hidden=4), sequence),
    "causal cnn": (lambda: CausalCNN(2, 3, width=4, depth=2), sequence),
    "npde": (lambda: NPDEConv(FISHER), evolved),
    "npde mlp": (lambda: NPDEMLP(FISHER), evolved),
    "npde rnn": (lambda: NPDERNN(FISHER), evolved),
    "npde free": (lambda: NPDEFree(FISHER), evolved),
    "npde stable": (lambda: StableNPDE(FISHER, width=4), evolved),
    "settings": (
        lambda: ODENet(
            (8, 8), 3, width=4, mean=0.5, std=torch.tensor(2.0), integrate=IntegrateConfig(method="dopri5"),
            regularise=RegulariseConfig(kind="er"),
        ),
        lambda m: m.eval()(PICTURES)[0],
    ),
    "sde settings": (
        lambda: SDENet((8, 8), 3, dim=3, width=4, paths=2, integrate=DiffuseConfig(atol=1e-2)),
        CASES["sde net"][1],
    ),
}  # fmt: skip
ALL = {name: (build, call) for name, (build, call, _) in CASES.items()} | MORE


def answers(call, network):
    if call is None:  # a part that is called by its whole only
        return torch.cat([value.flatten().double() for value in network.state_dict().values()])
    torch.manual_seed(1)
    return call(network)


@pytest.mark.parametrize("name", sorted(ALL))
def test_it_comes_back_with_its_answers(name, tmp_path):
    build, call = ALL[name]
    torch.manual_seed(0)
    network = build()
    with torch.no_grad():
        for parameter in network.parameters():  # those that start at zero too
            parameter += 0.1 * torch.randn_like(parameter)
    before = torch.get_rng_state()
    again = models.load(models.save(network, tmp_path / "network.safetensors"))
    assert torch.equal(torch.get_rng_state(), before)
    assert type(again) is type(network)
    assert set(again.arguments) == set(network.arguments)
    torch.testing.assert_close(answers(call, again), answers(call, network), rtol=0, atol=0)
    assert [p.requires_grad for p in again.parameters()] == [p.requires_grad for p in network.parameters()]


def test_every_network_is_tried_here():
    tried = {type(build()) for build, _ in ALL.values()}
    public = [getattr(models, name) for name in models.__all__]
    assert tried == {kind for kind in public if inspect.isclass(kind) and issubclass(kind, nn.Module)}
    assert all(issubclass(kind, Network) for kind in tried)


@pytest.mark.parametrize("name", ["fno", "realnvp", "mlp", "dynamics"])
def test_precision_comes_back(name, tmp_path):
    network = ALL[name][0]().double()
    again = models.load(models.save(network, tmp_path / "network.safetensors"))
    dtypes = [[t.dtype for t in (*m.parameters(), *m.buffers())] for m in (network, again)]
    assert dtypes[0] == dtypes[1]


def test_the_arguments_are_those_of_the_network_not_of_its_base():
    network = FNO(in_channels=1, out_channels=1, dims=1, modes=2, width=4)
    assert dict(network.arguments) == {"in_channels": 1, "out_channels": 1, "dims": 1, "modes": 2, "width": 4}
    assert next(iter(inspect.signature(FNO).parameters)) == "in_channels"
    assert dict(copy.deepcopy(network).arguments) == dict(network.arguments)
    positional = MLP(3, 2, width=4)
    assert dict(positional.arguments) == {"in_channels": 3, "out_channels": 2, "width": 4}


def test_a_copy_and_a_subprocess_can_use_the_file(tmp_path):
    torch.manual_seed(0)
    network = copy.deepcopy(MLP(2, 1, width=4))
    path = models.save(network, tmp_path / "deep" / "mlp.safetensors")
    assert safetensors.torch.load_file(path).keys() == network.state_dict().keys()  # any reader takes it
    code = f"import torch; from sciml import models; print(models.load({str(path)!r})(torch.ones(1, 2)).item())"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert float(out) == pytest.approx(network(torch.ones(1, 2)).item(), rel=1e-6)


class Mine(nn.Module):
    def forward(self, time, state):
        return -state


class MyMLP(MLP):
    pass


def test_what_could_not_be_built_again_is_refused(tmp_path):
    path = tmp_path / "x.safetensors"
    with pytest.raises(UserError, match=r"the network is no network of sciml.models; got Mine.*state_dict"):
        models.save(Mine(), path)
    with pytest.raises(UserError, match="got MyMLP"):
        models.save(MyMLP(2, 1, width=3), path)
    with pytest.raises(UserError, match=r"ODEBlock's field is no network of sciml.models; got Mine"):
        models.save(ODEBlock(Mine()), path)
    with pytest.raises(UserError, match="CoordinateMLP's nonlinearity is no network"):
        models.save(models.CoordinateMLP(2, 1, width=3, layers=1, nonlinearity=nn.Softplus(beta=2)), path)
    changed = MLP(2, 1, width=3)
    changed.layers[0] = nn.Linear(2, 3, bias=False)
    with pytest.raises(UserError, match="changed after it was built"):
        models.save(changed, path)
    assert not path.exists()


def file(path, described, weights=None, **metadata):
    text = described if isinstance(described, str) else json.dumps(described)
    tensors = MLP(2, 1, width=3).state_dict() if weights is None else weights
    safetensors.torch.save_file(tensors, path, {"format": "sciml.models/1", "network": text, **metadata})
    return path


def mlp(**arguments):
    return {"class": "MLP", "arguments": {"in_channels": 2, "out_channels": 1, "width": 3, **arguments}}


@pytest.mark.parametrize(
    ("described", "words"),
    [
        ({"class": "os.system", "arguments": {}}, "unknown network 'os.system'"),
        ({"class": "IntegrateConfig", "arguments": {}}, "unknown network"),
        ({"class": "Network", "arguments": {}}, "unknown network"),
        ({"arguments": {}}, "class"),
        ({"class": "MLP", "arguments": []}, "items"),
        ({"class": [], "arguments": {}}, "unhashable"),
        ("not JSON", "Expecting value"),
        ("[" * 100_000, "recursion|Expecting|arguments|class"),
        ("[]", "indices|list"),
        (mlp(wide=4), "unexpected keyword argument 'wide'"),
        (mlp(width=4), "weights are not those"),
        (mlp(width=10**9), "too large"),
        (mlp(width=10**7, layers=3), "weights are not those"),
        (mlp(nonlinearity="swish"), "swish|nonlinearity"),
        (mlp(nonlinearity={"activation": "Bilinear"}), "Bilinear"),
        (mlp(nonlinearity={"import": "os"}), "no known kind"),
        (mlp(nonlinearity={"tensor": "argument:7"}), "argument:7"),
        (mlp(nonlinearity={"network": {"class": "ctypes", "arguments": {}}}), "unknown network 'ctypes'"),
        ({"class": "ODEBlock", "arguments": {"field": {"settings": "Config", "values": {}}}}, "Config"),
    ],
)
def test_a_file_that_describes_nothing_is_refused(described, words, tmp_path):
    with pytest.raises(CheckpointError, match=f"(?s)does not describe a network of sciml.models.*({words})"):
        models.load(file(tmp_path / "bad.safetensors", described))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="there is no file"):
        models.load(tmp_path / "nothing.safetensors")
    with pytest.raises(CheckpointError, match="there is no file"):
        models.load(tmp_path)
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"\x80\x04\x95 a pickle, perhaps")
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        models.load(path)
    safetensors.torch.save_file(MLP(2, 1, width=3).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"does not say which network.*load_state_dict"):
        models.load(path)
    with pytest.raises(CheckpointError, match=r"format 'sciml.models/99'"):
        models.load(file(path, mlp(), format="sciml.models/99"))
    path.write_bytes(models.save(MLP(2, 1, width=3), path).read_bytes()[:-7])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        models.load(path)
    with pytest.raises(CheckpointError, match="does not describe"):
        models.load(file(path, mlp(), weights={"layers.0.weight": torch.zeros(3, 2)}))
