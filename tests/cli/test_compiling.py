"""Machine code: made once with a line that says so, and found again."""

from runs import NOTE, run_command

TRAIN = ("train", "digits", "--epochs", "1", "--out")


def test_the_first_run_compiles_and_says_so_once_and_the_second_does_not(tmp_path):
    cache = str(tmp_path / "cache")
    first = run_command(*TRAIN, tmp_path / "a", cwd=tmp_path, XDG_CACHE_HOME=cache)
    assert (first.returncode, first.stderr) == (0, f"{NOTE}\n")
    second = run_command(*TRAIN, tmp_path / "b", cwd=tmp_path, XDG_CACHE_HOME=cache)
    assert (second.returncode, second.stderr) == (0, "")
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in "ab"]
    assert files[0] == files[1]


def test_where_nothing_can_be_kept_it_compiles_every_time(tmp_path):
    (tmp_path / "file").write_text("in the place of a folder")
    for name in "ab":
        done = run_command(
            *TRAIN, tmp_path / name, cwd=tmp_path, XDG_CACHE_HOME=str(tmp_path / "file")
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.count(NOTE) == 1  # matplotlib says that it cannot keep anything either


def test_the_number_of_threads_can_be_given(tmp_path):
    done = run_command("--threads", "1", *TRAIN, tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for wrong in ("0", "-1", "two"):
        done = run_command("--threads", wrong, "datasets", cwd=tmp_path)
        assert done.returncode == 2
        assert "--threads" in done.stderr
