"""What `tfprune doctor` says, and what a run says it was computed on."""

from __future__ import annotations

import socket

import pytest

from tfprune.runs import doctor
from tfprune.runs.doctor import Card, Finding, cards, gpu_findings

H100 = Card("NVIDIA H100 80GB HBM3", "580.159.04", 81559, 81079)


def smi(folder, monkeypatch, answer, status=0):
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{answer}\nE\nexit {status}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_cards_are_read_as_the_driver_prints_them(tmp_path, monkeypatch):
    smi(tmp_path, monkeypatch, "NVIDIA H100 80GB HBM3, 580.159.04, 81559, 81079")
    assert cards() == [H100]


@pytest.mark.parametrize(
    ("answer", "status"),
    [("NVIDIA-SMI has failed because it couldn't communicate", 9), ("a, b, [N/A], 3", 0), ("", 0)],
)
def test_a_driver_that_does_not_answer_has_no_cards(tmp_path, monkeypatch, answer, status):
    smi(tmp_path, monkeypatch, answer, status)
    assert cards() == []


def test_without_a_driver_there_is_no_gpu(keras, monkeypatch):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    assert list(gpu_findings([])) == [
        Finding("GPU", "none: no NVIDIA driver found; tfprune trains on the CPU")
    ]


@pytest.mark.parametrize(
    ("hidden", "cuda", "found", "remedy"),
    [
        ("-1", True, "sees no GPU: CUDA_VISIBLE_DEVICES is '-1'", "name a GPU by its number"),
        (None, False, "sees no GPU: it was built without CUDA", "install tensorflow[and-cuda]"),
        (None, True, "sees no GPU: it can't load CUDA's libraries", "names the library"),
    ],
)
def test_a_card_that_tensorflow_does_not_see_is_explained(
    keras, monkeypatch, hidden, cuda, found, remedy
):
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: [])
    monkeypatch.setattr("tensorflow.test.is_built_with_cuda", lambda: cuda)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if hidden is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", hidden)
    driver, last = gpu_findings([H100])
    assert driver.found == "NVIDIA H100 80GB HBM3, 79.2 of 79.6 GiB free, driver 580.159.04"
    assert last.found == found
    assert last.remedy.endswith(remedy)


@pytest.mark.parametrize(
    ("capability", "rate"),
    [((9, 0), "at full rate"), ((8, 9), "slow: CCA is faster in NumPy")],
)
def test_a_card_in_use_is_described(keras, monkeypatch, capability, rate):
    details = {"device_name": "a card", "compute_capability": capability}
    monkeypatch.setattr("tensorflow.config.list_physical_devices", lambda kind: ["one"])
    monkeypatch.setattr(
        "tensorflow.config.experimental.get_device_details", lambda physical: details
    )
    card, tf32 = gpu_findings([])
    major, minor = capability
    assert card.what == "gpu:0"
    assert card.found == f"a card, compute capability {major}.{minor}, float64 {rate}"
    assert tf32.found == "on in training, off in comparing"


def test_a_server_that_does_not_answer_stops_a_run(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
        found = doctor._store(address, tmp_path)
        assert found.blocks
        assert found.found.startswith(f"{address} does not respond: ")
        taken.listen()
        assert doctor._store(address, tmp_path) == Finding("store", f"{address} answers")


def test_the_default_store_and_an_impossible_one(tmp_path):
    assert doctor._store(None, tmp_path).found.endswith("mlruns/mlflow.db, made by a run")
    impossible = doctor._store(str(tmp_path), tmp_path)
    assert impossible.blocks
    assert "is a folder" in impossible.remedy
    assert list(tmp_path.iterdir()) == []


def test_little_memory_is_told(tmp_path):
    for kilobytes, remedy in ((2 * 2**20, "lower --memory"), (8 * 2**20, "")):
        text = f"MemTotal: 99 kB\nMemAvailable:  {kilobytes} kB\n"
        found = doctor._memory(lambda text=text: text)
        assert found == Finding("memory", f"{kilobytes / 2**20:.1f} GiB free", remedy)


def test_the_command_prints_what_blocks_and_ends_with_1(keras, capsys, monkeypatch, tmp_path):
    from tfprune_cli.main import main

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines() if line[0] != " "][:5] == [
        "versions", "store", "disk", "memory", "processor",
    ]  # fmt: skip
    assert main(["doctor", "--tracking-uri", str(tmp_path)]) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_run_says_what_it_is_computed_on(keras):
    from tfprune.config import from_dict
    from tfprune.experiment.plan import make_plan
    from tfprune.runs.doctor import computed_on
    from tfprune.runs.workspace import processor

    plan = make_plan(from_dict({"training": {"xla": "on", "precision": "bfloat16"}}))
    assert computed_on(plan) == {
        "device": processor(),
        "trained_in": "bfloat16",
        "xla": "on",
        "compared_on": "CPU, products in float64",
    }


def test_a_run_on_a_gpu_says_more(keras, monkeypatch):
    from tfprune.config import from_dict
    from tfprune.experiment.plan import make_plan
    from tfprune.runs.doctor import computed_on
    from tfprune.training import backend as devices

    plan = make_plan(from_dict({"comparison": {"measures": ["cka"]}}))
    card = devices.Device("GPU", H100.name, (8, 9))
    monkeypatch.setattr(devices, "gpu", lambda: card)
    monkeypatch.setattr(doctor, "cards", lambda: [H100])
    assert computed_on(plan) == {
        "device": "NVIDIA H100 80GB HBM3",
        "driver": "580.159.04",
        "gpu_memory": "81559 MiB",
        "tf32": "on in training, off in comparing",
        "trained_in": "float32",
        "xla": "off",
        "compared_on": "GPU, products in float32",
    }
