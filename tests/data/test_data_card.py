import dataclasses
import tomllib
from pathlib import Path

import pytest

from sciml.core import registry
from sciml.core.errors import ConfigError, UnknownNameError, UnsupportedError, UserError
from sciml.core.problem import Field, Problem
from sciml.data import PresetCard, card_digest, code_digest, generate, make_layout, open_dataset, read_card


def test_a_card_is_read_with_its_presets(toy):
    card = read_card(toy)
    assert card.table("tiny", PresetCard).grid == (16, 12)
    assert card.table("tiny", PresetCard).trajectories.train == 10
    with pytest.raises(UnknownNameError, match=r"unknown preset 'tinny'.*Did you mean 'tiny'"):
        card.table("tinny", PresetCard)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("grid = [16, 12]", "grid = [16, -12]", r"presets\.tiny.*grid\.1: .*greater than or equal to 1, got -12"),
        ("grid = [16, 12]", "grid = [16.5, 12]", r"grid\.0: .*valid integer"),
        ("train = 10", "train = 0", r"trajectories\.train: .*got 0"),
        ("valid = 3, ", "", r"trajectories\.valid: Field required"),
        ("dt = 0.05", "dt = 0.0", r"dt: .*greater than 0, got 0.0"),
        ("dt = 0.05", "dt = nan", r"dt: .*finite"),
        ("dt = 0.05", "dt = -1.0", r"dt: .*greater than 0"),
        ("frames = 8", "frames = 1", r"frames: .*got 1"),
        ("shard_size = 4", "shard_size = 0", r"shard_size: .*got 0"),
        ("seed = 0", "seed = -1", r"seed: .*got -1"),
        ("frames = 8", "frame = 8", r"unknown key 'frame', did you mean 'frames'"),
        ('licence = "CC0-1.0"', "", r"licence: Field required"),
        ('time_units = "s"', 'units = "s"', r"unknown key 'units'"),
        ("[presets.tiny.", "[presets.other.", r"lacks presets.*got other; expected tiny"),
        ("[presets.tiny.", "[preset.tiny.", r"has no presets"),
        (
            "tiny.trajectories]",
            "tiny.trajectory]",
            r"lacks the table \[presets\.tiny\.trajectories\]; got .*trajectory\]",
        ),
        ("[presets.tiny.trajectories]", "[presets.tiny]", r"key 'grid' stands outside of a task's table"),
        ("grid = [16, 12]", "grid = [16", r"is not valid TOML"),
    ],
)
def test_faults_of_a_card_name_the_file_and_the_key(variant, old, new, message):
    problem = variant("odd_advection", {old: new})
    with pytest.raises(ConfigError, match=message) as error:
        make_layout(problem, "tiny")
    assert "dataset.toml" in str(error.value)


def test_a_folder_without_a_card_is_told_which_file_it_lacks(variant):
    problem = variant("bare_advection")
    card = registry.folder_of(problem) / "dataset.toml"
    card.unlink()
    with pytest.raises(
        ConfigError, match=rf"'bare_advection' has no dataset card; expected a file {card}\. `sciml new"
    ):
        read_card(problem)


def test_commands_that_are_advised_name_the_folder_of_a_problem(variant):
    problem = variant("far_advection")
    remedy = make_layout(problem, "tiny").remedy
    assert remedy.startswith(f"`sciml data generate {registry.folder_of(problem)} --preset tiny`")
    assert "`sciml data generate shallow_water " in make_layout(registry.problem("shallow_water"), "tiny").remedy


def test_a_grid_that_the_problem_refuses_is_blamed_on_the_card(variant):
    check = 'height, width = size\n        if width % 4:\n            raise UserError("width is odd", got=width)'
    changes = {"grid = [16, 12]": "grid = [16, 13]", "height, width = size": check}
    changes["import torch\n"] = "import torch\nfrom sciml.core.errors import UserError\n"
    problem = variant("picky_advection", changes)
    with pytest.raises(
        ConfigError, match=r"dataset.toml, table \[presets.tiny.trajectories\], key grid: width is odd; got 13"
    ):
        make_layout(problem, "tiny")


def test_names_that_collide_with_dimensions_are_refused(variant):
    with pytest.raises(UserError, match=r"'time'.*files of data and predictions"):
        variant("clashing_advection", {'Field("a"': 'Field("time"'})


def test_the_digest_follows_the_physics_and_not_the_prose(variant, monkeypatch):
    def digest(name, changes):
        problem = variant(name, changes)
        layout = make_layout(problem, "tiny")
        monkeypatch.setattr("sciml.data._layout.code_digest", lambda _: code_digest(problem))  # by its own name
        return card_digest(dataclasses.replace(problem, name="same"), layout.about, layout.card, layout.grid)

    base = digest("base", {})
    assert digest("prose", {'cost = "milliseconds"': 'cost = "hours"', "Tracers on": "Dyes on"}) == base
    physics = [
        {"dt = 0.05": "dt = 0.06"},
        {"grid = [16, 12]": "grid = [12, 16]"},
        {"shard_size = 4": "shard_size = 5"},
        {"seed = 0": "seed = 1"},
        {"train = 10": "train = 11"},
        {"0.2, 0.8": "0.2, 0.9"},
        {"kg m-3": "g m-3"},
        {"0.0, 1.0, units": "0.0, 2.0, units"},
        {'citation="textbook"': 'citation="textbook", version=2'},
    ]
    digests = {digest(f"physics_{number}", changes) for number, changes in enumerate(physics)}
    assert len(digests) == len(physics)
    assert base not in digests


def test_a_problem_without_time_has_no_dataset():
    @dataclasses.dataclass(frozen=True, kw_only=True)
    class Static(Problem):
        pass

    static = Static(name="static", title="", equation="", fields=(Field("u", "u", "1", "u"),), boundary={}, citation="")
    with pytest.raises(UnsupportedError, match="capability Evolves"):
        generate(static, "tiny")


def test_unknown_presets_are_refused_before_anything_is_made(toy, empty_home):
    for verb in (generate, open_dataset):
        with pytest.raises(UnknownNameError, match="unknown preset 'huge'"):
            verb(toy, "huge")
    assert not empty_home.exists()


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "datasets").glob("*.toml")), ids=lambda p: p.stem)
def test_no_two_presets_draw_from_the_same_seed(path):
    """What settings were tried on would be the test of the next larger preset; of given samples all have the same."""
    seeds = {}
    for tables in tomllib.loads(path.read_text(encoding="utf-8")).get("presets", {}).values():
        for key, table in tables.items():
            if isinstance(table, dict) and "seed" in table:
                seeds.setdefault(key, {}).setdefault(table["seed"], []).append(table)
    for by_seed in seeds.values():
        assert all(table == tables[0] for tables in by_seed.values() for table in tables), seeds
