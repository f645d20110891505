"""A run in one file: complete, taken wherever a run folder is, and opened as something that a stranger sent."""

import hashlib
import json
import shutil
import stat
import struct
import zipfile

import numpy as np
import pytest
import torch
import xarray

import sciml
from sciml.core import paths
from sciml.core.errors import DataError
from sciml.report import model_card
from sciml.study import About, Record, place_of, read_about, write_pack
from sciml.testing import PROBLEMS

PROBLEM = PROBLEMS / "periodic_advection"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        out = tmp_path_factory.mktemp("runs")
        settings = ['baselines=["persistence"]']
        return sciml.run(PROBLEM, solver="linear", out=out, settings=settings).folder


@pytest.fixture
def pack(run, tmp_path, monkeypatch):
    """A packed run in an empty folder, on a machine that has nothing else."""
    monkeypatch.chdir(tmp_path)
    return sciml.pack(run, tmp_path / "sent.zip", problem=PROBLEM)


def test_every_verb_takes_it_where_it_takes_a_folder(run, pack, tmp_path):
    assert sciml.show(pack)["record"] == sciml.show(run)["record"]
    example = sciml.example(pack)
    xarray.testing.assert_identical(example, sciml.example(run))
    example.to_netcdf("mine.nc", engine="h5netcdf")
    ours, theirs = (sciml.predict(source, "mine.nc", problem=PROBLEM) for source in (run, pack))
    xarray.testing.assert_equal(ours, theirs)
    assert sciml.evaluate(pack, problem=PROBLEM).metrics["rollout/relative_l2"] == pytest.approx(
        sciml.evaluate(run, problem=PROBLEM).metrics["rollout/relative_l2"], rel=1e-12
    )
    exported = sciml.export(pack, ["torch"], problem=PROBLEM)
    assert exported[0].path == tmp_path / f"{run.name}-export" / "model.pt2"  # beside the file, not in the cache
    child = sciml.tool("cost", pack, problem=PROBLEM)
    assert child.folder == tmp_path / f"{run.name}-cost"
    assert sciml.predict(child.folder, "mine.nc", problem=PROBLEM).attrs["run"] == child.folder.name


def test_a_prediction_says_where_it_is_from(run, pack):
    sciml.example(pack).to_netcdf("mine.nc", engine="h5netcdf")
    said = sciml.predict(pack, "mine.nc", problem=PROBLEM).attrs
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    assert said["weights_sha256"] == hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest()
    assert said["dataset_hash"] == record["dataset"]["hash"]
    assert said["run"] == run.name
    assert f"sciml {sciml.__version__}, run {run.name}: Linear stencil" in said["source"]
    assert said["history"].endswith(f"sciml predict {run.name}")
    assert said["history"][:4].isdecimal()
    assert "Apache-2.0" in said["licence"]
    assert "sciml" in said["references"]


def test_a_run_and_its_program_say_what_goes_in_and_out(run, pack):
    about = About.model_validate_json((run / "about.json").read_text(encoding="utf-8"))
    assert [field.name for field in about.fields] == ["a", "b"]
    assert [field.units for field in about.fields] == ["kg m-3", "kg m-3"]
    config = json.loads((run / "config.json").read_text(encoding="utf-8"))
    assert [field.mean for field in about.fields] == config["context"]["statistics"]["field_mean"]["values"]
    assert [(p.name, p.units) for p in about.parameters] == [("speed", "m s-1")]
    assert about.parameters[0].low < about.parameters[0].mean < about.parameters[0].high
    assert [axis.name for axis in about.axes] == ["y", "x"]
    assert about.dt == config["context"]["dt"]
    assert about.citation.solver
    assert about.licence["data"]
    exported = sciml.export(pack, problem=PROBLEM)
    files = {"about.json": ""}
    torch.export.load(exported[0].path, extra_files=files)
    inside = json.loads(files["about.json"])
    assert {*inside} - {*About.model_fields} == {"arguments", "answer"}
    assert About.model_validate({k: v for k, v in inside.items() if k in About.model_fields}) == about
    first = inside["arguments"][0]
    assert first["shape"][0] == "batch"
    assert first["shape"][2:] == [2, about.axes[0].size, about.axes[1].size]
    if exported[1].state == "ok":
        onnx = pytest.importorskip("onnx")
        (prop,) = onnx.load(exported[1].path).metadata_props
        assert (prop.key, json.loads(prop.value)) == ("about", inside)
    assert json.loads((exported[0].path.parent / "about.json").read_text(encoding="utf-8")) == inside


def test_the_card_says_what_it_is_how_good_and_where_it_ends(run, pack):
    with zipfile.ZipFile(pack) as archive:
        card = archive.read(f"{run.name}/README.md").decode()
        assert {name.split("/")[0] for name in archive.namelist()} == {run.name}
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    assert card.startswith("# Linear stencil on ")
    assert f"{record['metrics']['test']['rollout/relative_l2']:.4g}" in card
    assert f"{record['baselines']['persistence']['metrics']['test']['rollout/relative_l2']:.4g}" in card
    for heading in ("Takes and gives", "Data", "How well", "Limits", "Use", "Cite", "Licence"):
        assert f"\n## {heading}\n" in card
    assert f"sciml predict {run.name}.zip --example --problem FOLDER" in card
    assert "| `a` | field" in card
    assert record["dataset"]["hash"] in card


def test_what_a_baseline_does_better_is_said(run):
    record = Record.read(run)
    poor = dict.fromkeys(record.metrics["test"], 10.0)
    card = model_card(record.model_copy(update={"metrics": {"test": poor}}), read_about(run), run.name)
    assert "It does not beat Persistence in" in card
    assert "It does not beat" not in model_card(record, read_about(run), run.name)


def test_equal_runs_give_equal_packs_and_are_opened_once(run, pack, tmp_path):
    again = sciml.pack(run, tmp_path / "again.zip", problem=PROBLEM)
    assert again.read_bytes() == pack.read_bytes()
    place = place_of(pack)
    assert place_of(again).folder == place.folder
    assert paths.home() in place.folder.parents
    assert place.beside == tmp_path
    assert sorted(file.name for file in place.folder.iterdir()) == [
        "about.json", "config.json", "example.nc", "model.safetensors", "record.json",
    ]  # fmt: skip
    with pytest.raises(DataError, match="a packed run already"):
        sciml.pack(pack)


def test_a_run_of_before_is_packed_too(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "before")
    (copy / "about.json").unlink()
    packed = sciml.pack(copy, problem=PROBLEM)
    assert packed == tmp_path / "before.zip"
    with zipfile.ZipFile(packed) as archive:
        assert json.loads(archive.read("before/about.json"))["fields"][0]["name"] == "a"
    (copy / "model.safetensors").unlink()
    with pytest.raises(DataError, match="no complete run"):
        write_pack(copy, tmp_path / "x.zip", About.model_validate_json((run / "about.json").read_text()), "")
    assert not (tmp_path / "x.zip").exists()


def rewritten(pack, target, change):
    """A copy of a pack whose entries `change` may replace: ``change(name, info, content)`` gives (info, content)s."""
    with zipfile.ZipFile(pack) as old, zipfile.ZipFile(target, "w") as new:
        for info in old.infolist():
            for entry, content in change(info.filename.split("/")[1], info, old.read(info)):
                new.writestr(entry, content, compress_type=entry.compress_type)
    return target


def adding(name, content=b"evil", mode=stat.S_IFREG | 0o644):
    """One more entry of this very name."""

    def change(file, info, old):
        yield info, old
        if file == "pack.json":
            extra = zipfile.ZipInfo(name)
            extra.external_attr = mode << 16
            yield extra, content

    return change


def replacing(target, content=None, method=None):
    def change(file, info, old):
        if file == target and method is not None:
            info.compress_type = method
        yield info, old if content is None or file != target else content

    return change


def without(target):
    return lambda file, info, old: [] if file == target else [(info, old)]


HOSTILE = {
    "a path upwards": (adding("../../escaped.txt"), "a path that leaves its folder"),
    "a path upwards within": (adding("run/../../escaped.txt"), "a path that leaves its folder"),
    "an absolute path": (adding("/tmp/escaped.txt"), "a path that leaves its folder"),
    "a path of Windows": (adding("run\\..\\escaped.txt"), "a path that leaves its folder"),
    "a drive": (adding("C:escaped.txt"), "a path that leaves its folder"),
    "a link": (adding("run/model.pt", b"/etc/passwd", stat.S_IFLNK | 0o777), "a link or a device"),
    "a device": (adding("run/null", b"", stat.S_IFCHR | 0o666), "a link or a device"),
    "weights twice": (adding("other/model.safetensors"), "model.safetensors twice"),
    "other weights": (replacing("model.safetensors", b"12345678"), "damaged or was changed"),
    "another record": (replacing("record.json", b"{}"), "damaged or was changed"),
    "compressed weights": (replacing("model.safetensors", method=zipfile.ZIP_DEFLATED), "arrays as they are"),
    "no manifest": (without("pack.json"), "no pack.json"),
    "no weights": (without("model.safetensors"), "no model.safetensors"),
    "a manifest of nothing": (replacing("pack.json", b"[]"), "pack.json in .* is not in order"),
    "a deep manifest": (replacing("pack.json", b"[" * 100_000), "pack.json in .* is not in order"),
    "a manifest of another version": (
        replacing("pack.json", b'{"format": "sciml/pack/9", "run": "x", "files": {}}'), "another version"
    ),
    "a manifest with a path as its name": (
        replacing("pack.json", b'{"format": "sciml/pack/1", "run": "../x", "files": {}}'), "run '../x'"
    ),
    "a bomb": (replacing("pack.json", b"0" * (64 * 2**20 + 1)), "more than 67108864 bytes"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_and_leave_nothing(name, pack, tmp_path):
    change, words = HOSTILE[name]
    hostile = rewritten(pack, tmp_path / "hostile.zip", change)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError, match=words):
        sciml.predict(hostile, "mine.nc", problem=PROBLEM)
    assert sorted(tmp_path.rglob("*")) == before
    opened = paths.home() / "packed"
    assert not [path for path in opened.rglob("*") if path.is_file()] if opened.exists() else True


def test_files_of_several_folders_and_too_many_are_refused(pack, tmp_path):
    def scattered(file, info, old):
        if file == "config.json":
            info.filename = "other/config.json"
        yield info, old

    with pytest.raises(DataError, match="files of several folders"):
        place_of(rewritten(pack, tmp_path / "a.zip", scattered))

    def many(file, info, old):
        yield info, old
        if file == "pack.json":
            yield from ((zipfile.ZipInfo(f"run/{i}"), b"") for i in range(1001))

    with pytest.raises(DataError, match="entries"):
        place_of(rewritten(pack, tmp_path / "b.zip", many))


def test_what_is_no_zip_or_a_broken_one_is_refused(pack, tmp_path):
    text = tmp_path / "text.zip"
    text.write_text("no zip", encoding="utf-8")
    with pytest.raises(DataError, match="neither a run folder nor a packed run"):
        sciml.evaluate(text)
    whole = pack.read_bytes()
    short = tmp_path / "short.zip"
    short.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="neither a run folder nor a packed run"):
        sciml.example(short)
    flipped = bytearray(whole)
    with zipfile.ZipFile(pack) as archive:
        info = next(entry for entry in archive.infolist() if entry.filename.endswith("model.safetensors"))
    flipped[info.header_offset + 80 + len(info.filename)] ^= 0xFF
    (tmp_path / "flipped.zip").write_bytes(flipped)
    with pytest.raises(DataError, match=r"neither a run folder nor a packed run|damaged"):
        sciml.example(tmp_path / "flipped.zip")


def test_an_encrypted_entry_is_refused(pack, tmp_path):
    content = bytearray(pack.read_bytes())
    at = content.index(struct.pack("<I", 0x02014B50))  # the first entry of the central directory
    content[at + 8] |= 1
    (tmp_path / "secret.zip").write_bytes(content)
    with pytest.raises(DataError, match="an encrypted file"):
        place_of(tmp_path / "secret.zip")


def test_more_entries_of_other_names_do_no_harm(pack, tmp_path):
    place = place_of(rewritten(pack, tmp_path / "more.zip", adding("run/notes.txt")))
    assert not (place.folder / "notes.txt").exists()
    weights = np.fromfile(place.folder / "model.safetensors", dtype=np.uint8)
    assert len(weights) > 0
