"""``pullback lrfind``: the suggestion as text, as JSON and as a picture; wrong input; Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest
from runs import command, environment, theta_of

from pullback.cli.main import main

SMALL = ("--model", "mlp:8", "--steps", "30", "--epochs", "1")


def ask(capsys, *arguments):
    """Run the command here; return (exit code, its lines, its complaint)."""
    with pytest.raises(SystemExit) as ended:
        main(["lrfind", *map(str, arguments)])
    said = capsys.readouterr()
    return ended.value.code or 0, said.out.splitlines(), said.err


def test_it_says_what_to_do_and_why(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, lines, _ = ask(capsys, "digits", *SMALL)
    assert code == 0
    trials = [line for line in lines if line.startswith("trial: lr ")]
    assert len(trials) >= 5
    conclusion, *reasons = lines[len(trials) :]
    assert conclusion.startswith("learning rate ")
    starts = [reason.split(":")[0] for reason in reasons]
    assert starts == ["range test", "stability", "cost", "see lrfind.png"]
    assert [path.name for path in tmp_path.iterdir()] == ["lrfind.png"]


def test_the_options_are_those_of_train(capsys, tmp_path):
    plot = tmp_path / "here.png"
    flags = ("--optimizer", "momentum", "--schedule", "constant", "--batch-size", 64)
    code, lines, _ = ask(capsys, "digits", *SMALL, *flags, "--plot", plot, "--json")
    found = json.loads("\n".join(lines))
    assert code == 0
    assert found["rule"] == "Momentum"
    assert found["run_steps"] == 21  # of 1,294 examples, 64 a step
    assert max(trial["steps"] for trial in found["trials"]) == 21
    assert found["plot"] == str(plot)
    assert plot.read_bytes()[:4] == b"\x89PNG"


def test_a_configuration_file_is_read_and_no_model_is_changed(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["train", "digits", "--model", "mlp:8", "--epochs", "1", "--out", str(tmp_path / "r")])
    before = theta_of(tmp_path / "r")
    files = {path: path.read_bytes() for path in (tmp_path / "r").iterdir()}
    capsys.readouterr()
    config = ("--config", tmp_path / "r" / "config.toml")
    code, _, _ = ask(capsys, *config, "--steps", 20, "--plot", tmp_path / "p.png")
    assert code == 0
    assert {path: path.read_bytes() for path in (tmp_path / "r").iterdir()} == files
    assert (theta_of(tmp_path / "r") == before).all()


WRONG = {
    "no data": ((), 2, "pullback: name the data to train on, as in 'pullback lrfind digits'"),
    "unknown data": (("minst",), 2, "Did you mean 'mnist'"),
    "steps": (("digits", "--steps", 3), 2, "steps=3; expected a whole number of at least 10"),
    "optimiser": (("digits", "--optimizer", "adan"), 2, "unknown optimiser 'adan'"),
    "a missing folder": (("digits", *SMALL, "--plot", "none/p.png"), 3, "none/p.png"),
}


@pytest.mark.parametrize(("arguments", "code", "said"), WRONG.values(), ids=WRONG)
def test_wrong_input_is_one_line(capsys, tmp_path, monkeypatch, arguments, code, said):
    monkeypatch.chdir(tmp_path)
    found, _, complaint = ask(capsys, *arguments)
    assert found == code
    assert said in complaint
    assert len(complaint.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_ctrl_c_ends_it_without_a_word(tmp_path):
    process = subprocess.Popen(
        command("lrfind", "digits", *SMALL, "--epochs", 10**6, "--steps", 3 * 10**6),
        cwd=tmp_path, env=environment(PYTHONPROFILEIMPORTTIME="1"), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        # what is imported last is told; the first trial, of a million steps, follows
        while "pullback.train.lrfind" not in process.stderr.readline():
            assert process.poll() is None
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    finally:
        process.kill()
    # Python ends itself by the signal, which a shell calls 130 as well, where the interrupt came
    # while a text was executed, as numba and dataclasses do when they are loaded
    assert process.returncode in (130, -signal.SIGINT)
    assert "Traceback" not in error
    assert "Aborted" not in error
    assert not list(tmp_path.iterdir())
