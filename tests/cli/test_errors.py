"""Wrong input at the command line: one line that says what, where and what to do; an exit code."""

from __future__ import annotations

import gzip
import resource
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from runs import command, environment, pullback

import pullback as pb

FULL = Path("/dev/full")


def complaint(done, code):
    """Check a failed process, and return the line that it printed."""
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert len(lines) == 1, done.stderr
    return lines[0]


CONFIGURATION = {
    "no data": ((), "name the data to train on"),
    "unknown data": (("minst",), "Did you mean 'mnist'"),
    "unknown map": (("digits", "--activation", "relo"), "unknown map 'relo'. Did you mean 'ReLU'"),
    "unknown optimiser": (("digits", "--optimizer", "adan"), "unknown optimiser 'adan'"),
    "unknown schedule": (("digits", "--schedule", "cosin"), "Did you mean 'CosineDecay'"),
    "unknown loss": (("digits", "--loss", "crossentropi"), "Did you mean 'CrossEntropy'"),
    "unknown metric": (("digits", "--metric", "acc"), "unknown metric"),
    "unknown start": (("digits", "--init", "glorot"), "Did you mean 'Glorot"),
    "unknown preset": (("digits", "--preset", "referense"), "Did you mean 'reference'"),
    "unknown model": (("digits", "--model", "cnn"), "expected mlp:128,64"),
    "model's name": (("digits", "--model", "lent"), "Did you mean 'lenet'"),
    "sizes": (("digits", "--model", "lenet:3"), "expected mlp:128,64"),
    "depth": (("digits", "--model", "resnet:19"), "depth=19"),
    "model's file": (("digits", "--model", "none.toml"), "there is no such configuration file"),
    "widths": (("digits", "--model", "mlp:a"), "whole numbers"),
    "zero epochs": (("digits", "--epochs", 0), "epochs=0"),
    "zero batch": (("digits", "--batch-size", 0), "batch_size=0"),
    "batch too large": (("digits", "--batch-size", 9999), "larger than the 1294 training"),
    "negative lr": (("digits", "--lr", -1), "lr"),
    "lr not a number": (("digits", "--lr", "nan"), "lr"),
    "dropout": (("digits", "--dropout", 1), "Dropout"),
    "validation": (("digits", "--validation", 2), "validation=2.0"),
    "dtype": (("digits", "--dtype", "float8"), "float32, float64"),
    "shift": (("digits", "--shift", 8), "RandomShift"),
    "smoothing": (("digits", "--loss", "huber", "--label-smoothing", 0.1), "CrossEntropy"),
}


@pytest.mark.parametrize(("arguments", "said"), CONFIGURATION.values(), ids=CONFIGURATION)
def test_bad_configuration_is_one_line_and_exit_code_2(tmp_path, arguments, said):
    done = pullback("train", *arguments, cwd=tmp_path)
    assert said in complaint(done, 2)
    assert not list(tmp_path.rglob("*")), "something was written"


USAGE = {
    "unknown flag": ("train", "digits", "--optimiser", "sgd"),
    "a word for a number": ("train", "digits", "--epochs", "ten"),
    "unknown command": ("trian",),
    "no images": ("predict", "run"),
}


@pytest.mark.parametrize("arguments", USAGE.values(), ids=USAGE)
def test_bad_usage_is_exit_code_2(tmp_path, arguments):
    done = pullback(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert "Error" in done.stderr
    assert "Traceback" not in done.stderr


FILES = {
    "missing": (None, "there is no such configuration file"),
    "not TOML": ("epochs = = 3", "cannot be read as TOML"),
    "unknown key": ("epoch = 3", "unknown key 'epoch'. Did you mean 'epochs'"),
    "wrong type": ('epochs = "three"', "expected a value of type int"),
    "a truth value": ("lr = true", "expected a value of type float"),
    "unknown setting": ('[settings]\ntype = "Settings"\nepoch = 3', "no field 'epoch'"),
    "no settings": ('[settings]\ntype = "Linear"\nunits = 3', "does not describe a run"),
    "unknown type": ('[model]\ntype = "Convolution9d"', "unknown type"),
}


@pytest.mark.parametrize(("content", "said"), FILES.values(), ids=FILES)
def test_a_bad_configuration_file_is_one_line(tmp_path, content, said):
    path = tmp_path / "my.toml"
    if content is not None:
        path.write_text(content)
    line = complaint(pullback("train", "digits", "--config", path, cwd=tmp_path), 2)
    assert said in line
    assert not (tmp_path / "runs").exists()


def idx(array, magic=None):
    head = struct.pack(">HBB", 0, 8, array.ndim) if magic is None else magic
    return head + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def good_files():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 28, 28)).astype(np.uint8)
    labels = (np.arange(50) % 10).astype(np.uint8)
    content = {}
    for part in ("train", "t10k"):
        content[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(images))
        content[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(labels))
    return content, images, labels


IMAGES, LABELS = "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"


def damage(kind, content, images, labels):
    """Change one of the four files, and return its name and what must be said."""
    packed = gzip.compress
    if kind == "missing":
        del content[LABELS]
        return LABELS, "there is no such file"
    if kind == "truncated":
        content[IMAGES] = packed(idx(images)[:-1000])
        return IMAGES, "expected 39,200 bytes"
    if kind == "truncated header":
        content[IMAGES] = packed(idx(images)[:9])
        return IMAGES, "3 axis lengths"
    if kind == "oversized header":
        content[IMAGES] = packed(struct.pack(">HBBIII", 0, 8, 3, *(2**32 - 1,) * 3) + b"\0" * 99)
        return IMAGES, "found 99"
    if kind == "wrong magic":
        content[IMAGES] = packed(idx(images, b"\x50\x4b\x03\x04"))
        return IMAGES, "IDX magic number"
    if kind == "mismatch":
        content[LABELS] = packed(idx(labels[:40]))
        return LABELS, "40 labels for the 50 images"
    if kind == "corrupt gzip":
        whole = bytearray(content[IMAGES])
        whole[len(whole) // 2 : len(whole) // 2 + 40] = b"\xff" * 40
        content[IMAGES] = bytes(whole)
        return IMAGES, "gzip"
    if kind == "cut gzip":
        content[IMAGES] = content[IMAGES][:-500]
        return IMAGES, "gzip"
    if kind == "label out of range":
        content[LABELS] = packed(idx(np.where(np.arange(50) == 7, 11, labels).astype(np.uint8)))
        return LABELS, "label 11 in row 7"
    raise AssertionError(kind)


KINDS = (
    "missing", "truncated", "truncated header", "oversized header", "wrong magic", "mismatch",
    "corrupt gzip", "cut gzip", "label out of range",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_mnist_is_one_line_and_exit_code_3(tmp_path, kind):
    content, images, labels = good_files()
    name, said = damage(kind, content, images, labels)
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    for file, raw in content.items():
        (folder / file).write_bytes(raw)
    done = pullback("train", "mnist", "--data-dir", tmp_path / "data", cwd=tmp_path)
    line = complaint(done, 3)
    assert str(folder / name).removesuffix(".gz") in line
    assert said in line
    assert not (tmp_path / "runs").exists()


def test_the_good_files_would_train(tmp_path):
    folder = tmp_path / "mnist"
    folder.mkdir()
    for file, raw in good_files()[0].items():
        (folder / file).write_bytes(raw)
    done = pullback(
        "train", "mnist", "--epochs", 1, "--batch-size", 10, "--out", "run", cwd=tmp_path,
        PULLBACK_DATA_DIR=str(tmp_path),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_nan_pixels_are_exit_code_3(tmp_path):
    x = np.ones((20, 4))
    x[3, 2] = np.nan
    np.savez(tmp_path / "bad.npz", x=x, y=np.arange(20) % 2)
    line = complaint(pullback("train", "bad.npz", cwd=tmp_path), 3)
    assert "bad.npz" in line
    assert "first in row 3" in line


def test_without_a_network_the_message_says_what_to_do(tmp_path):
    done = pullback(
        "train", "mnist", cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"),
        http_proxy="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9",
    )  # fmt: skip
    line = complaint(done, 3)
    assert "cannot be downloaded" in line
    assert "--data-dir" in line


def test_a_model_of_another_architecture_is_exit_code_3(tmp_path):
    from safetensors import safe_open
    from safetensors.numpy import load, save

    done = pullback("train", "digits", "--epochs", 1, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    path = tmp_path / "run" / "model.safetensors"
    with safe_open(path, framework="numpy") as file:
        metadata = file.metadata()
    tensors = load(path.read_bytes())
    tensors["params.1.W"] = np.zeros((64, 3), np.float32)
    path.write_bytes(save(tensors, metadata))
    line = complaint(pullback("evaluate", "run", cwd=tmp_path), 3)
    assert "another architecture: 1.W" in line


def test_training_that_blows_up_is_exit_code_4_and_names_the_place(tmp_path):
    done = pullback(
        "train", "digits", "--optimizer", "sgd", "--lr", 1e30, "--schedule", "constant",
        "--out", "run", cwd=tmp_path,
    )  # fmt: skip
    lines = done.stderr.splitlines()
    assert done.returncode == 4
    assert len(lines) == 1
    assert "step 1:" in lines[0]
    assert "layer" in lines[0]


def test_parts_that_do_not_fit_are_found_before_anything_is_written(tmp_path):
    (tmp_path / "net.toml").write_text(
        '[model]\ntype = "Chain"\nnames = ["0", "1"]\n'
        'maps = [{type = "Flatten"}, {type = "Linear", units = 7}]\n'
    )
    line = complaint(pullback("train", "digits", "--config", "net.toml", cwd=tmp_path), 2)
    assert "7 outputs" in line
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    line = complaint(pullback("train", "digits", "--out", "file/run", cwd=tmp_path), 3)
    assert "file/run" in line
    assert "--out" in line


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    """No file may grow beyond 64 kB, as on a disk with no more room: config.toml fits, a model
    does not."""

    def no_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 10, 64 << 10))

    done = subprocess.run(
        command("train", "digits", "--epochs", 2, "--model", "mlp:256", "--out", "run"),
        cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=60,
        preexec_fn=no_room, check=False,
    )  # fmt: skip
    line = complaint(done, 3)
    assert "checkpoint.safetensors" in line
    assert [p.name for p in (tmp_path / "run").iterdir()] == ["config.toml"]
    again = pullback("resume", "run", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert pb.load_model(tmp_path / "run" / "model.safetensors")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_output_that_cannot_be_printed(tmp_path):
    with FULL.open("w") as full:
        done = subprocess.run(
            command("datasets"), cwd=tmp_path, env=environment(), stdout=full,
            stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert "Traceback" not in done.stderr
