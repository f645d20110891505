"""Run folders, studies and data that somebody else sent: whatever their texts say, nothing is run, read or written
outside, and every ending is an answer or a clear error."""

import json
import shutil

import h5py
import pytest
from test_cli_hostile import CODES, bounded, ending  # noqa: F401 (a fixture)

PAYLOADS = (
    "../../../../etc/passwd",
    "/etc/passwd",
    "{here}/trap",
    "./trap",
    "trap",
    "trap/",
    "file://{here}/trap",
    "..",
    "~/trap",
    "C:\\windows",
    "a\0b",
    "",
    "名前\u202e",
    "__import__('pathlib').Path('{here}/hacked').touch()",
    "{{ ''.__class__.__mro__ }}",
    "<script>alert(1)</script>",
    "javascript:alert(1)",
    "$(touch hacked)",
    "x" * 5000,
)
TRAP = "import pathlib; pathlib.Path(__file__).with_name('executed').touch()\n"


def strings_of(value, path=()):
    """Paths to all texts in a JSON value, keys of objects among them (those end in None)."""
    if isinstance(value, str):
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        if isinstance(key, str):
            yield (*path, key, None)
        yield from strings_of(inner, (*path, key))


def replaced(value, path, text):
    """A copy with the text, or the key, at `path` replaced."""
    copy = json.loads(json.dumps(value))
    at = copy
    *before, last = path
    if last is None:
        *before, last = before
        for key in before:
            at = at[key]
        at[text] = at.pop(last)
        return copy
    for key in before:
        at = at[key]
    at[last] = text
    return copy


@pytest.fixture(scope="session")
def sent(tmp_path_factory):
    """A run of a registered problem, so that nothing keeps it from being opened."""
    import sciml

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SCIML_HOME", str(tmp_path_factory.mktemp("home")))
        return sciml.run(
            "spiral", solver="linear_ode", settings=["baselines=[]"], out=tmp_path_factory.mktemp("r")
        ).folder


@pytest.fixture
def shared(tmp_path, monkeypatch, sent):
    """A folder with a run of somebody, and problems beside it that leave a mark when they are imported."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(sent, tmp_path / "run")
    for name in ("trap", "spiral"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(TRAP)
    (tmp_path / "outside.txt").write_text("a secret")
    return tmp_path


def files_of(folder):
    return {path.relative_to(folder): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def unharmed(folder, before):
    """Whether nothing outside of the run was made or changed, and no trap was sprung."""
    after = files_of(folder)
    strays = {p for p in after if after[p] != before.get(p) and p.parts[0] not in ("run", "home")}
    return not strays and not list(folder.rglob("executed")) and not list(folder.rglob("hacked"))


def walk(shared, file, verbs, every, payloads, number):
    """Replace every `every`-th text of a JSON file of the run, and use the run; how it ended wrongly."""
    path = shared / "run" / file
    content, wrong = json.loads(path.read_text()), []
    places = list(strings_of(content))
    before = files_of(shared)
    for index, place in enumerate(places[number % every :: every]):
        for payload in payloads(index):
            text = payload.replace("{here}", str(shared))
            path.write_text(json.dumps(replaced(content, place, text)))
            for verb in verbs:
                code, err = ending(verb)
                if code not in CODES or "Traceback" in err:
                    wrong.append((place, payload[:60], verb, code))
    path.write_text(json.dumps(content))
    assert unharmed(shared, before)
    page = (shared / "run" / "report.html").read_text(encoding="utf-8")
    assert (
        "<script>alert" not in page and "javascript:alert" not in page.lower().replace("&#39;", "'").split("href=")[0]
    )
    return wrong


VERBS = {
    "config.json": [
        ("show", "run"),
        ("predict", "run", "-i", "run/example.nc", "-o", "run/p.nc"),
        ("tool", "certificate", "run"),
    ],
    "record.json": [("show", "run"), ("report", "run")],
    "about.json": [("predict", "run", "-i", "run/example.nc", "-o", "run/p.nc")],
}


@pytest.mark.parametrize("file", VERBS)
def test_no_text_of_a_run_is_a_path_or_code(shared, file, bounded):  # noqa: F811
    wrong = walk(shared, file, VERBS[file], 10, lambda index: [PAYLOADS[index % len(PAYLOADS)]], 0)
    assert not wrong, wrong


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("file", VERBS)
def test_no_text_of_a_run_is_a_path_or_code_in_any_combination(shared, file, bounded, part):  # noqa: F811
    wrong = walk(shared, file, VERBS[file], 4, lambda index: PAYLOADS, part)
    assert not wrong, wrong


LINKS = {
    "config.json": "file",
    "model.safetensors": "file",
    "figures": "folder",
    "report.html": "file",
    "example.nc": "file",
}


@pytest.mark.parametrize("name", LINKS)
def test_a_link_out_of_a_run_is_not_followed(shared, refused, name):
    place = shared / "run" / name
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    place.symlink_to(shared / "outside.txt" if LINKS[name] == "file" else shared / "trap")
    before = files_of(shared)
    for verb in (
        ("show", "run"),
        ("report", "run"),
        ("predict", "run", "-i", "run/example.nc"),
        ("tool", "cost", "run"),
    ):
        assert "holds a link, which leads out of it" in refused(*verb)
    assert unharmed(shared, before)


def outside_of(path, kind):
    """An HDF5 file whose values lie elsewhere."""
    with h5py.File(path, "w") as file:
        if kind == "link":
            file["a"] = h5py.ExternalLink("other.h5", "/a")
        elif kind == "raw":
            file.create_dataset("a", (2, 2, 16, 12), "f4", external=[("outside.txt", 0, h5py.h5f.UNLIMITED)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout((2, 2, 16, 12), "f4")
            layout[:] = h5py.VirtualSource("other.h5", "a", (2, 2, 16, 12))
            file.create_virtual_dataset("a", layout)
        elif kind == "hard circle":
            file.create_group("g")["up"] = file["/"]
        elif kind == "soft circle":
            file.create_group("g")["up"] = h5py.SoftLink("/")
        elif kind == "deep":
            group = file
            for _ in range(100):
                group = group.create_group("g")
        elif kind == "sparse":
            file.create_dataset("a", (1_000_000, 1_000_000), "f4", chunks=(1000, 1000))
        elif kind == "bomb":
            file.create_dataset("a", (60_000, 60_000), "f4", chunks=(600, 600), fillvalue=0)[0, 0] = 1


WORDS = {
    **dict.fromkeys(("link", "raw", "virtual"), "points outside of itself"),
    **dict.fromkeys(("sparse", "bomb"), "describes far more values than it holds"),
    **dict.fromkeys(("hard circle", "soft circle", "deep"), "has groups within groups without end"),
}


@pytest.mark.parametrize("kind", WORDS)
def test_values_that_lie_elsewhere_or_nowhere_are_refused(shared, refused, kind):
    words = WORDS[kind]
    outside_of(shared / "x.nc", kind)
    assert words in refused("data", "import", "x.nc")
    assert words in refused("predict", "run", "-i", "x.nc")
    shutil.copy(shared / "x.nc", shared / "run" / "predictions.h5")
    assert words in refused("report", "run")


def test_a_table_of_cases_reads_nothing_outside(shared, refused):
    (shared / "cases").mkdir()
    (shared / "cases" / "index.csv").write_text("file,a\n../outside.txt,1\n../outside.txt,2\n")
    assert "error" not in refused("data", "import", "cases")
