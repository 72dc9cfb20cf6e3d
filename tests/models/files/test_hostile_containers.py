"""Archives and HDF5 files that reach outside, lie or are damaged: refused, nothing written."""

from __future__ import annotations

import importlib.util
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models.files import load_model
from tfprune.models.files import sandbox as examine

_spec = importlib.util.spec_from_file_location("hostile", Path(__file__).with_name("hostile.py"))
assert _spec is not None
assert _spec.loader is not None
hostile = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(hostile)


KINDS = ("keras3.keras", "keras3.h5", "keras2.keras", "keras2.h5")


ZIPS: dict[str, tuple[dict[str, bytes], str]] = {
    "parent folder": ({"../escaped.txt": b"x"}, "unexpected member '../escaped.txt'"),
    "absolute name": ({"/outside/escaped.txt": b"x"}, "unexpected member '/outside/escaped.txt'"),
    "hidden parent": ({"assets/../../x": b"x"}, "unexpected member 'assets/../../x'"),
    "backslashes": ({"..\\x": b"x"}, "unexpected member '..\\\\x'"),
    "asset": ({"assets/layer/vocabulary.txt": b"x"}, "is a vocabulary or other asset"),
    "python": ({"model.py": b"print()"}, "unexpected member 'model.py'"),
    "pickled weights": ({"model.weights.npz": b"x"}, "unexpected member 'model.weights.npz'"),
    "bomb": ({"config.json": b"[" + b" " * (70 << 20) + b"]"}, "'config.json' unfolds to 73,400,"),
}


@pytest.mark.parametrize("what", ZIPS)
@pytest.mark.parametrize("kind", ["keras3.keras", "keras2.keras"])
def test_an_archive_with_more_than_a_model_is_refused(
    good: dict[str, Path], refused: Any, tmp_path: Path, kind: str, what: str
) -> None:
    added, expected = ZIPS[what]
    content = {**hostile.members(good[kind]), **added}
    path = hostile.pack(tmp_path / "bad.keras", content, compress=True)
    message = refused(path)
    assert expected in message
    assert message.startswith(f"model file {str(path)!r}: ")
    assert message.endswith("and nothing else; refused.")


def test_doubled_and_linked_members_are_refused(
    good: dict[str, Path], refused: Any, tmp_path: Path
) -> None:
    content = hostile.members(good["keras3.keras"])
    doubled = hostile.pack(tmp_path / "doubled.keras", content)
    with (
        zipfile.ZipFile(doubled, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("config.json", content["config.json"])
    assert "member 'config.json' is there twice" in refused(doubled)
    linked = hostile.pack(
        tmp_path / "linked.keras", {k: v for k, v in content.items() if "weights" not in k}
    )
    with zipfile.ZipFile(linked, "a") as archive:
        link = zipfile.ZipInfo("model.weights.h5")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "member 'model.weights.h5' is a link" in refused(linked)


def external_link(handle: Any) -> None:
    handle["stolen"] = h5py.ExternalLink("/etc/hostname.h5", "/x")


def soft_link(handle: Any) -> None:
    handle["loop"] = h5py.SoftLink("/")


def hard_loop(handle: Any) -> None:
    group = handle.create_group("outer")
    group["again"] = group


def external_storage(handle: Any) -> None:
    handle.create_dataset("stolen", (4,), "uint8", external=[("/etc/passwd", 0, 4)])


def virtual(handle: Any) -> None:
    layout = h5py.VirtualLayout((4,), "float32")
    layout[:] = h5py.VirtualSource("/etc/other.h5", "x", (4,))
    handle.create_virtual_dataset("stolen", layout)


def terabyte(handle: Any) -> None:
    handle.create_dataset("zeros", (1 << 38,), "float32", chunks=(1 << 20,))


def text(handle: Any) -> None:
    handle.create_dataset("words", data=np.array([b"a" * 9]), dtype="S9")


def plug_in(handle: Any) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((4,))
    properties.set_filter(32001, h5py.h5z.FLAG_OPTIONAL, (0,))
    space = h5py.h5s.create_simple((4,))
    h5py.h5d.create(handle.id, b"packed", h5py.h5t.IEEE_F32LE, space, properties)


def many_attributes(handle: Any) -> None:
    group = handle.create_group("group")
    for i in range(70):
        group.attrs[f"a{i}"] = i


HDF5 = {
    external_link: "ExternalLink leads elsewhere",
    soft_link: "SoftLink leads elsewhere",
    hard_loop: "two names for one object",
    external_storage: "its data lie outside, in ",
    virtual: "a virtual data set reads other files",
    terabyte: "claims 1,099,511,627,776 bytes but stores 0",
    text: "is not numeric",
    plug_in: "filter 32001 is not one that HDF5 brings along",
    many_attributes: "70 attributes",
}


@pytest.mark.parametrize("change", HDF5, ids=lambda f: f.__name__)
@pytest.mark.parametrize("kind", ["keras3.keras", "keras2.h5"])
def test_an_hdf5_file_that_reaches_outside_or_lies_is_refused(
    good: dict[str, Path], refused: Any, tmp_path: Path, kind: str, change: Any
) -> None:
    path = tmp_path / f"bad{good[kind].suffix}"
    if path.suffix == ".keras":
        hostile.hdf5_in_zip(good[kind], path, change)
    else:
        path.write_bytes(good[kind].read_bytes())
        with h5py.File(path, "r+") as handle:
            change(handle)
    message = refused(path)
    assert HDF5[change] in message
    assert message.endswith("Keras writes no such file; refused.")


@pytest.mark.slow
def test_a_file_that_the_hdf5_library_never_finishes_is_refused(
    good: dict[str, Path], refused: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(examine, "SECONDS", 2)
    whole = good["keras2.h5"].read_bytes()
    at = whole.index(b"tensorflow\0\0")  # an entry of the heap of strings, after its header
    path = tmp_path / "endless.h5"
    path.write_bytes(whole[: at - 16] + bytes(16) + whole[at:])  # of length 0: no step forward
    assert refused(path) == (
        f"model file {str(path)!r} is damaged, or made to crash: the HDF5 library did not survive "
        "reading it. Save or copy it again."
    )


def test_a_savedmodel_needs_trust_and_says_what_that_allows(
    small2: Any, save: Any, refused: Any, tmp_path: Path, images: Any, predict: Any
) -> None:
    folder = save(small2, tmp_path / "saved", save_format="tf")
    assert refused(folder) == (
        f"{str(folder)!r} is a SavedModel: a TensorFlow program that runs when it is loaded and "
        "can't be inspected beforehand. If you trust its source, trust=True (--trust-model on "
        "the command line) loads it: it can then run any code with your permissions. Or save the "
        "model as .keras, which needs no trust."
    )
    trusted = load_model(folder, trust=True)
    np.testing.assert_allclose(predict(trusted, images), predict(small2, images), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_anywhere_is_refused(
    good: dict[str, Path], refused: Any, tmp_path: Path, kind: str
) -> None:
    whole = good[kind].read_bytes()
    for share in (0.0, 0.001, 0.1, 0.5, 0.9, 0.999):
        path = tmp_path / f"cut{good[kind].suffix}"
        path.write_bytes(whole[: int(len(whole) * share)])
        message = refused(path)
        assert "damaged or incomplete" in message or "is not a Keras model" in message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("missing.keras", None, "no model file at "),
        ("text.keras", b"hello world", "is not a Keras model: it starts with b'hell'"),
        ("empty.h5", b"", "is not a Keras model: it starts with b''"),
        ("pickle.keras", b"\x80\x04\x95", "is not a Keras model"),
    ],
)
def test_what_is_no_model_is_named_as_such(
    refused: Any, tmp_path: Path, name: str, content: bytes | None, expected: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    assert expected in refused(path)


def test_weights_without_layers_are_told_apart_from_models(
    small2: Any, refused: Any, tmp_path: Path
) -> None:
    path = tmp_path / "only.weights.h5"
    with h5py.File(path, "w") as handle:
        handle.create_dataset("kernel", data=np.zeros(3))
    assert "holds weights but no layers (written by save_weights())" in refused(path)
    archive = hostile.pack(tmp_path / "other.keras", {"a.txt": b"x"})
    assert "it lacks config.json and metadata.json" in refused(archive)


def test_a_folder_written_by_export_is_refused_for_its_missing_layers(
    small3: Any, refused: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(b"")
    assert "is a SavedModel without Keras layers (written by model.export()" in refused(folder)
    (folder / "saved_model.pb").unlink()
    assert "holds no model; expected a Keras 3 or Keras 2 model" in refused(folder)


def test_a_file_with_a_misleading_ending_says_how_to_name_it(
    good: dict[str, Path], refused: Any, tmp_path: Path
) -> None:
    path = tmp_path / "model.h5"
    path.write_bytes(good["keras3.keras"].read_bytes())
    assert "is a .keras file by its content" in refused(path)
    assert "Rename it to 'model.keras'" in refused(path)


def test_weights_that_are_not_finite_are_refused(small3: Any, save: Any, tmp_path: Path) -> None:
    kernel = small3.get_layer("top").kernel
    kernel.assign(np.full(kernel.shape, np.nan))
    with pytest.raises(InputError, match=r"weight 'kernel' holds values that are not finite"):
        load_model(save(small3, tmp_path / "nan.keras"))


def test_metadata_of_any_shape_is_survived(
    good: dict[str, Path], refused: Any, tmp_path: Path
) -> None:
    content = hostile.members(good["keras3.keras"])
    for metadata in ("[]", "{}", '{"keras_version": 3}', '{"keras_version": "9999999999.1"}', "{"):
        path = hostile.pack(
            tmp_path / "meta.keras", {**content, "metadata.json": metadata.encode()}
        )
        with pytest.raises(InputError):
            load_model(path)
    json.loads(content["metadata.json"])  # the good one is good
