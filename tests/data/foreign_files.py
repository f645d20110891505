"""Small files in the layouts of other people, with numbers that say where they belong."""

from pathlib import Path

import h5py
import numpy as np
import xarray


def numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal numbers, float32."""
    return np.random.default_rng(seed).standard_normal(shape).astype("f4")


def pdebench_line(folder: Path, shape=(6, 11, 32)) -> Path:
    """``tensor`` (sample, time, x); one time more than there are frames."""
    path = folder / "advection.hdf5"
    with h5py.File(path, "w") as file:
        file["tensor"] = numbers(*shape)
        file["x-coordinate"] = (np.arange(32, dtype="f4") + 0.5) / 32
        file["t-coordinate"] = 0.1 * np.arange(12, dtype="f4")
    return path


def pdebench_plane(folder: Path) -> Path:
    """Separate fields (sample, time, x, y), not square."""
    path = folder / "flow.hdf5"
    with h5py.File(path, "w") as file:
        for seed, name in enumerate(("Vx", "Vy", "density", "pressure")):
            file[name] = numbers(6, 11, 16, 24, seed=seed)
        file["x-coordinate"] = (np.arange(16) + 0.5) / 16
        file["y-coordinate"] = (np.arange(24) + 0.5) / 16
        file["t-coordinate"] = 0.1 * np.arange(12)
    return path


def pdebench_groups(folder: Path, shape=(11, 16, 16, 1), points=16, frames=11) -> Path:
    """Groups ``0000``, ... with ``data`` (time, x, y, channel) and their grid."""
    path = folder / "groups.h5"
    with h5py.File(path, "w") as file:
        for i in range(6):
            file[f"{i:04d}/data"] = numbers(*shape, seed=i)
            file[f"{i:04d}/grid/x"] = np.linspace(-1, 1, points, dtype="f4")
            file[f"{i:04d}/grid/y"] = np.linspace(-1, 1, points, dtype="f4")
            file[f"{i:04d}/grid/t"] = 0.05 * np.arange(frames)
    return path


def well(folder: Path) -> Path:
    """Four trajectories, a scalar and a vector field, no tensor, a wall along y, scalars by sample and by time."""
    path = folder / "tube.hdf5"
    with h5py.File(path, "w") as file:
        file.attrs["dataset_name"] = "tube"
        dimensions = file.create_group("dimensions")
        dimensions.attrs["spatial_dims"] = ["x", "y"]
        for name, values in (("time", 0.5 * np.arange(8)), ("x", np.arange(16) / 16), ("y", np.arange(24) / 16)):
            dimensions[name] = values
        file.create_group("t0_fields")["density"] = numbers(4, 8, 16, 24)
        file.create_group("t1_fields")["velocity"] = numbers(4, 8, 16, 24, 2, seed=1)
        file.create_group("t2_fields")
        for axis, kind in (("x", "PERIODIC"), ("y", "WALL")):
            boundary = file.create_group(f"boundary_conditions/{axis}_{kind.lower()}")
            boundary.attrs.update({"bc_type": kind, "associated_dims": [axis]})
        scalars = file.create_group("scalars")
        scalars["reynolds"], scalars["forcing"] = np.array([10.0, 20.0, 30.0, 40.0]), np.arange(8.0)
        scalars["reynolds"].attrs.update({"sample_varying": True, "time_varying": False})
        scalars["forcing"].attrs.update({"sample_varying": False, "time_varying": True})
    return path


def weather(folder: Path, number: int = 0) -> Path:
    """One trajectory of PDEArena's NetCDF: time, one level, latitude from north to south, longitude."""
    path = folder / f"output_{number}.nc"
    levels = ("time", "lev", "lat", "lon")
    xarray.Dataset(
        {
            "u": (levels, numbers(9, 1, 24, 48, seed=number), {"units": "m s-1", "long_name": "eastward wind"}),
            "v": (levels, numbers(9, 1, 24, 48, seed=10 + number), {"units": "m s-1"}),
            "pres": (("time", "lat", "lon"), numbers(9, 24, 48, seed=20 + number), {"units": "hPa"}),
        },
        {
            "time": ("time", 6.0 * np.arange(9), {"units": "hours since 2000-01-01"}),
            "lev": ("lev", [0.5]),
            "lat": ("lat", np.linspace(86.25, -86.25, 24), {"units": "degrees_north"}),
            "lon": ("lon", 7.5 * np.arange(48), {"units": "degrees_east"}),
        },
    ).to_netcdf(path, engine="h5netcdf")
    return path


def smoke(folder: Path) -> Path:
    """PDEArena's HDF5: a group ``train`` of fields and a buoyancy per sample."""
    path = folder / "smoke.h5"
    with h5py.File(path, "w") as file:
        for seed, name in enumerate(("u", "vx", "vy")):
            file[f"train/{name}"] = numbers(5, 7, 16, 24, seed=seed)
        file["train/buo_y"] = np.linspace(0.2, 0.5, 5)
        file["train/t"], file["train/x"] = np.tile(1.5 * np.arange(7), (5, 1)), np.tile(np.arange(16.0), (5, 1))
        file["train/y"] = np.arange(24.0)
    return path


def burgers() -> dict[str, np.ndarray]:
    """DeepXDE's layout: ``usol`` (x, t) beside its coordinates as columns."""
    x, t = np.linspace(-1, 1, 64), np.linspace(0, 0.99, 30)
    return {"x": x[:, None], "t": t[:, None], "usol": -np.sin(np.pi * x)[:, None] * np.exp(-t)}


def box(folder: Path, samples: int = 6) -> Path:
    """Three spatial axes, NetCDF with names and units, periodic along x."""
    path = folder / "box.nc"
    dims = ("sample", "time", "z", "y", "x")
    axes = {name: (name, 0.5 * np.arange(8), {"units": "m"}) for name in "zy"}
    xarray.Dataset(
        {
            "T": (dims, numbers(samples, 5, 8, 8, 16), {"units": "K"}),
            "heating": ("sample", np.linspace(1, 2, samples), {"units": "W"}),
        },
        {
            "time": ("time", np.arange(5.0), {"units": "s"}),
            **axes,
            "x": ("x", 0.25 * np.arange(16), {"units": "m", "boundary": "periodic"}),
        },
    ).to_netcdf(path, engine="h5netcdf")
    return path
