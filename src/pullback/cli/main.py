"""``pullback``: the commands, from train to datasets.

Everything heavy is imported by the command that needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import Any

import click

from pullback._version import __version__
from pullback.cli.options import RECIPE_OPTIONS, with_options
from pullback.cli.tasks import TASKS, refuse_own_options, task_command

INTERRUPTED = 130
HELP = {
    "main": "Train neural networks by backpropagation, in the open.",
    "train": "Train on DATA: a data set's name (see 'pullback datasets'), a table (CSV, Parquet), "
    "an .npz file, or a folder with a folder of images for each class; or one of the recipes "
    f"{', '.join(TASKS)}.",
    "init": "Write the whole configuration of training on the table DATA, for train --config.",
    "lrfind": "Suggest a learning rate for training on DATA with these options, and say why.",
    "sweep": "Train on DATA at many settings, side by side: --over lr=0.1,0.03 tries each value "
    "(of several --over all combinations), --random 20 --over lr=1e-4..1e-1 draws twenty.",
    "compare": "Put RUNS (their folders, or folders of such) side by side, the best first, "
    "with the settings in which they differ. Or two models, one of them named as a file (a "
    "model, ONNX, or weights for the first: .pt, .pth, .safetensors, .weights.h5, .keras): "
    "in what their parameters, outputs and gradients differ, map by map.",
    "evaluate": "Measure the model of RUN (a run's folder or a model file) on its test data.",
    "predict": "Say what the model of RUN sees in each image, or in all those of a folder, hears "
    "in each WAV file, or makes of each text.",
    "recommend": "Name the ten items that USER of the ratings of RUN has not rated and would rate "
    "highest.",
    "generate": "Write a text with the language model of RUN.",
    "resume": "Continue the run in folder RUN where it stopped.",
    "check": "Check the gradient of every tensor of RUN (a run's folder or a .toml configuration).",
    "step": "Walk through one training step of RUN (a run's folder or a .toml configuration).",
    "export": "Write the model of RUN (a run's folder or a model file) for other programs: as ONNX "
    "file PATH, from raw examples to predictions, or its weights alone for PyTorch (.pt, .pth, "
    ".safetensors) or Keras (.weights.h5); a chain of usual layers also as a Keras model (.keras).",
    "import": "Make the ONNX file PATH a model in the folder RUN, for evaluate and predict.",
    "datasets": "List the data sets that can be named.",
}


class Commands(click.Group):
    """The commands, any of which Ctrl-C ends with the exit code that the shell expects."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; Click alone would say that it was aborted, with exit code 1."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(INTERRUPTED) from None


@click.group(
    cls=Commands, help=HELP["main"], context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="pullback")
@click.option("--threads", type=click.IntRange(min=1), help="Threads (default: one a processor).")
def cli(threads: int | None) -> None:
    """Hold the commands."""
    if threads is not None:
        # read when NumPy's BLAS and the kernels are loaded, which no command has done yet
        for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[variable] = str(threads)
    notes = logging.getLogger("pullback")
    notes.addHandler(logging.StreamHandler())
    notes.setLevel(logging.INFO)


def _launched(workers: int | None) -> bool:
    """Do this command by several processes, where that is asked for and not what this is."""
    if workers is None or "RANK" in os.environ:
        return False
    from pullback.cli.launch import launch

    _exit(launch(workers, [sys.executable, "-m", "pullback", *sys.argv[1:]]))
    return True


def _of_a_run(command: Any) -> Any:
    """Give a command the data and all options that decide a run."""
    for decorate in (
        click.option(
            "--unreadable", help="Of a folder's files that cannot be read: refuse or skip."
        ),
        click.option("--target", help="Of a table: the column to say, by name or place (-1)."),
        click.option("--header/--no-header", default=None, help="Of a table: its first row."),
        click.option("--test", help="Of a table: another one to test on."),
        click.option("--split", help="Of a table: a column that says 'test' of some rows."),
        click.option("--channels", type=int, help="Of a folder's images: 1 (grey) or 3 (colour)."),
        click.option("--image-size", help="Of a folder's images: 64, or 48x64 (height x width)."),
        click.option("--data-dir", help="A folder with one folder for each data set."),
        click.option(
            "--preset", help="A named set of options: 'reference' is the textbook program."
        ),
        click.option("--config", "config_file", help="A TOML file with any of these options."),
        with_options(RECIPE_OPTIONS),
        click.argument("data", required=False),
    ):
        command = decorate(command)
    return command


@cli.command(help=HELP["train"])
@_of_a_run
@click.option("--out", help="The run's folder (default: a new one under runs/).")
@click.option("--workers", type=int, help="Processes that do a part of every batch each.")
@click.option("--tensorboard", help="A folder for the run's events, which TensorBoard shows.")
@click.option(
    "--data",
    "own_data",
    help="Of diagnosis: breast_cancer or pima; of recommend: a table of ratings.",
)
@click.option("--folds", type=int, help="Of diagnosis: in how many parts it is measured.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def train(
    data: str | None,
    workers: int | None,
    own_data: str | None,
    folds: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train."""
    if _launched(workers):
        return
    from pullback.cli.train import train_command

    _collect_from_here()
    own = {"data": own_data, "folds": folds}
    if data in TASKS:
        _exit(task_command(data, as_json, {**options, **own}))
        return
    refuse_own_options(own)
    _exit(train_command(data, as_json, options))


@cli.command(help=HELP["init"])
@_of_a_run
@click.option("--out", help="The file to write (default: standard output).")
def init(data: str | None, out: str | None, **options: Any) -> None:
    """Write a configuration."""
    from pullback.cli.tables import init_command

    init_command(data, out, options)


@cli.command(help=HELP["lrfind"])
@_of_a_run
@click.option("--steps", default=300, show_default=True, help="Of the longest trials.")
@click.option("--plot", default="lrfind.png", show_default=True, help="The file of the picture.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def lrfind(data: str | None, steps: int, plot: str, as_json: bool, **options: Any) -> None:
    """Find a learning rate."""
    from pullback.cli.lrfind import lrfind_command

    _collect_from_here()
    _exit(lrfind_command(data, steps, plot, as_json, options))


@cli.command(help=HELP["sweep"])
@_of_a_run
@click.option("--over", multiple=True, required=True, help="KEY=VALUE,... or KEY=LOW..HIGH.")
@click.option("--random", type=int, help="Draw so many points instead of all combinations.")
@click.option("--jobs", type=int, help="Processes at once (default: one a processor).")
@click.option("--by", help="The figure to sort by (default: val_loss).")
@click.option("--out", required=True, help="The folder, in which every run gets one.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def sweep(
    data: str | None,
    over: tuple[str, ...],
    random: int | None,
    jobs: int | None,
    by: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Train at many settings."""
    from pullback.cli.sweep import sweep_command

    _collect_from_here()
    _exit(sweep_command(data, over, random, jobs, by, as_json, options))


@cli.command(help=HELP["compare"])
@click.argument("runs", nargs=-1, required=True)
@click.option("--metric", help="The figure to sort by and to draw (default: val_loss).")
@click.option("--plot", help="A file to draw that figure of every run into, epoch by epoch.")
@click.option("--data", help="Of two models: data whose first test examples are the batch.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def compare(
    runs: tuple[str, ...], metric: str | None, plot: str | None, data: str | None, as_json: bool
) -> None:
    """Compare runs, or two models."""
    from pullback.cli.compare import compare_command

    compare_command(runs, metric, plot, data, as_json)


@cli.command(help=HELP["resume"])
@click.argument("run")
@click.option("--device", help="Where to go on: cpu, torch, cuda, cuda:1, mps or auto.")
@click.option("--workers", type=int, help="Processes that do a part of every batch each.")
@click.option("--tensorboard", help="Another folder for TensorBoard's events than the run has.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def resume(
    run: str, device: str | None, workers: int | None, tensorboard: str | None, as_json: bool
) -> None:
    """Resume."""
    if _launched(workers):
        return
    from pullback.cli.train import resume_command

    _collect_from_here()
    _exit(resume_command(run, device, tensorboard, as_json))


@cli.command(help=HELP["evaluate"])
@click.argument("run")
@click.option("--data", help="Another data set, an .npz file, or a folder of images.")
@click.option("--data-dir", help="A folder with one folder for each data set.")
@click.option("--metric", "metrics", multiple=True, help="A metric to measure; may be repeated.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def evaluate(**options: Any) -> None:
    """Evaluate."""
    from pullback.cli.use import evaluate_command

    evaluate_command(**options)


@cli.command(help=HELP["predict"])
@click.argument("run")
@click.argument("inputs", nargs=-1, required=True)
@click.option("--top", default=1, type=click.IntRange(min=1), help="How many classes to show.")
@click.option("--out", help="Of a table: the file to write (default: standard output).")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object an input.")
def predict(run: str, inputs: tuple[str, ...], top: int, out: str | None, as_json: bool) -> None:
    """Predict."""
    from pullback.cli.predict import predict_command

    predict_command(run, inputs, top, out, as_json)


@cli.command(help=HELP["generate"])
@click.argument("run")
@click.option("--prompt", default="\n", help="What the text begins with (default: a new line).")
@click.option("--length", default=500, show_default=True, help="Tokens to write.")
@click.option("--temperature", default=0.8, show_default=True, help="0: always the likeliest.")
@click.option("--top-k", type=int, help="Only among so many of the likeliest tokens.")
@click.option("--top-p", type=float, help="Only among the likeliest that have this share.")
@click.option("--seed", default=0, show_default=True, help="Another seed, another text.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def generate(**options: Any) -> None:
    """Write a text."""
    from pullback.cli.generate import generate_command

    generate_command(**options)


@cli.command(help=HELP["recommend"])
@click.argument("run")
@click.option("--user", required=True, help="The user, as the ratings name it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def recommend(run: str, user: str, as_json: bool) -> None:
    """Recommend."""
    from pullback.cli.recommend import recommend_command

    recommend_command(run, user, as_json)


@cli.command(help=HELP["check"])
@click.argument("run")
@click.option("--examples", default=8, show_default=True, help="How many training examples.")
@click.option("--data-dir", help="A folder with one folder for each data set.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a tensor.")
def check(run: str, examples: int, data_dir: str | None, as_json: bool) -> None:
    """Check gradients."""
    from pullback.cli.check import check_command

    _exit(check_command(run, examples, data_dir, as_json))


@cli.command(help=HELP["step"])
@click.argument("run")
@click.option("--example", default=0, show_default=True, help="Which training example.")
@click.option("--data-dir", help="A folder with one folder for each data set.")
@click.option("--html", "page", help="Write one page to this file instead.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def step(run: str, example: int, data_dir: str | None, page: str | None, as_json: bool) -> None:
    """Walk through a step."""
    from pullback.cli.step import step_command

    step_command(run, example, data_dir, page, as_json)


@cli.command(help=HELP["export"])
@click.argument("run")
@click.argument("path")
@click.option("--opset", default=20, show_default=True, help="Version of ONNX's operators.")
def export(run: str, path: str, opset: int) -> None:
    """Export."""
    from pullback.cli.exchange import export_command

    export_command(run, path, opset)


@cli.command("import", help=HELP["import"])
@click.argument("path")
@click.argument("run")
def import_(path: str, run: str) -> None:
    """Import."""
    from pullback.cli.exchange import import_command

    import_command(path, run)


@cli.command(help=HELP["datasets"])
@click.option("--data-dir", help="A folder with one folder for each data set.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a data set.")
def datasets(data_dir: str | None, as_json: bool) -> None:
    """List the data sets."""
    from pullback.cli.use import datasets_command

    datasets_command(data_dir, as_json)


def _collect_from_here() -> None:
    """Turn the collector of garbage on again, without what has been loaded so far."""
    gc.freeze()
    gc.enable()


def _exit(code: int) -> None:
    if code:
        raise click.exceptions.Exit(code)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; every expected error is one line and an exit code."""
    from pullback.core.errors import PullbackError, StorageError

    # What is loaded at the start stays to the end: looking for garbage in it, now and when the
    # process ends, would take a tenth of a second.
    gc.disable()
    try:
        cli.main(args=arguments, prog_name="pullback")
    except PullbackError as error:
        message = " ".join(str(error).split())
        print(f"pullback: {message}", file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        print(f"pullback: {error.strerror or error}", file=sys.stderr)
        sys.exit(StorageError.exit_code)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
