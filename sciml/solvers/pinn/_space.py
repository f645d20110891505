"""Which networks of the coordinates a search may choose between."""

from sciml.core.errors import UnsupportedError
from sciml.solvers.pinn._config import PINNConfig
from sciml.train import Choices, Places, Slot, Space, spread

_DEEPEST = 4


def pinn_space(model: PINNConfig) -> Space:
    """One to four hidden layers, each a quarter, half, as, or twice as wide as the recipe's, with tanh or sin.

    Narrow layers are wide ones whose last neurons are not read, as in NAS-PINN (Wang and Zhong, arXiv:2305.10127).
    """
    if model.network != "mlp" or model.factorised:
        raise UnsupportedError("only plain layers of an mlp can be searched",
                               got=f"network={model.network!r}, factorised={model.factorised}",
                               expected="network='mlp', factorised=False")  # fmt: skip
    deepest = max(_DEEPEST, model.layers)
    widths = spread(model.width // 4, model.width // 2, model.width, 2 * model.width)
    layers = tuple(range(1, deepest + 1))
    slots = [Slot("layers", layers), Slot("activation", ("tanh", "sin"))]
    slots += [Slot(f"width_{i}", widths, needs=("layers", layers[i:])) for i in range(deepest)]

    def configured(choices: Choices) -> PINNConfig:
        chosen = tuple(choices[f"width_{i}"] for i in range(int(choices["layers"])))
        update = {"layers": choices["layers"], "activation": choices["activation"], "widths": chosen}
        return model.model_copy(update=update)

    def places(choices: Choices) -> Places:
        last = int(choices["layers"]) - 1
        readers = {f"network.hidden.{i + 1}": f"width_{i}" for i in range(last)} | {"network.last": f"width_{last}"}
        return Places({"network": ("layers", "activation")}, readers)

    return Space(tuple(slots), configured, places)
