"""Train a network: ``fit`` from the start, ``resume`` from a run's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pullback.core.errors import ConfigError, NonFiniteError
from pullback.core.map import Map
from pullback.core.spec import Spec
from pullback.data.dataset import Data, Dataset
from pullback.data.normalize import fit_normalizer
from pullback.data.split import split
from pullback.losses.base import Loss
from pullback.optim import Optimizer
from pullback.train.events import Callback, Saved
from pullback.train.history import History
from pullback.train.loop import UNFINISHED, Loop
from pullback.train.model import Model
from pullback.train.run_folder import RunFolder, config_text
from pullback.train.settings import Settings, settings_for
from pullback.train.tensorboard import TensorBoard
from pullback.train.workers import workers


@dataclass(frozen=True)
class Run:
    """What training leaves.

    ``stopped`` is the reason why it ended (see ``pullback.train.loop.REASONS``), ``path`` the
    run's folder, where it has one.
    """

    model: Model
    history: History
    stopped: str
    path: Path | None = None


def fit(
    net: Map,
    data: Dataset | Data,
    *,
    loss: Loss,
    optimizer: Optimizer,
    epochs: int = 10,
    batch_size: int | None = 128,
    validation: float | Dataset = 0.0,
    holdout: str = "random",
    seed: int = 0,
    dtype: str = "float32",
    normalize: str = "standard",
    augment: Map | None = None,
    mixup: float = 0.0,
    accumulate: int = 1,
    metrics: Sequence[Any] | None = None,
    until_loss: float | None = None,
    patience: int | None = None,
    steps_per_epoch: int | None = None,
    max_steps: int | None = None,
    max_seconds: float | None = None,
    audit: int | None = None,
    watch: Sequence[str] = (),
    every: int = 1,
    device: str = "cpu",
    callbacks: Sequence[Callback] = (),
    out: str | Path | None = None,
    tensorboard: str | Path | None = None,
) -> Run:
    """Train ``net`` by backpropagation and gradient descent.

    Args:
        net: the network.
        data: raw training examples (their ``weight``, where given, weighs the loss and the
            metrics); of a ``Data`` the training part is used.
        loss: a value an example; the weighted mean is minimised.
        optimizer: the update rule; ``GradientDescent`` uses all examples in every step.
        epochs: how often to go through the training part, at most.
        batch_size: examples a step; None for all of them.
        validation: the share of ``data`` held out and measured after each epoch, or a data set.
        holdout: which examples that is: ``"random"``, ``"stratified"`` (the same share of every
            class) or the ``"last"``.
        seed: decides the split, the start, the order and all noise.
        dtype: ``"float32"`` or ``"float64"``.
        normalize: ``"standard"`` (mean 0, variance 1), ``"scale"`` (to 0..1) or ``"none"``;
            fitted on the training part only and kept in the model.
        augment: a map without parameters that varies the raw inputs of each step.
        mixup: above 0, blend the examples of each step in pairs, and their targets, with shares
            drawn from Beta(mixup, mixup). Loss and metrics of training are then those of the
            mixtures, whose class is that of the larger share.
        accumulate: cut each batch into so many parts that go through one after another.
        metrics: names or metrics; by default those usual with the loss.
        until_loss: stop once the mean training loss of an epoch is at or below this.
        patience: stop after so many epochs without a new lowest validation loss (training loss
            without validation), and return the best parameters rather than the last.
        steps_per_epoch: end an epoch after so many batches of its random order, where going through
            all examples would take too long.
        max_steps: stop after so many steps.
        max_seconds: stop after so many seconds.
        audit: check the gradient every so many steps, on four examples of the batch along a few
            directions, against the complex step, and that of the lowered maps against the
            reference form. Every 500 steps, this takes 1.5% of the time of the textbook network.
        watch: quantities of ``pullback.extend`` that are one number, such as ``"noise_scale"``,
            averaged over each epoch's whole batches and kept in the history.
        every: look at them every so many steps.
        device: where to compute: ``"cpu"`` by compiled kernels; ``"torch"`` on tensors of PyTorch
            on the processor, ``"cuda"``, ``"cuda:1"`` or ``"mps"`` on an accelerator; ``"auto"``
            on an accelerator where there is one. The same run everywhere, up to rounding.
        callbacks: functions that are called with every event of ``pullback.train.events``.
        out: a folder for the run's files; it can then be resumed.
        tensorboard: a folder for the run's events, which TensorBoard shows; the extra
            ``pullback[tensorboard]`` has to be installed. A run that is resumed goes on there.

    Raises:
        ConfigError: a value that cannot be used.
        ShapeError: network, data and loss do not fit together.
        NonFiniteError: a NaN or an infinity appeared; layer, direction and step are named, and
            the last good checkpoint is kept.
        GradientError: an audit found a wrong gradient; step and parameter are named.
        StorageError: the run's folder cannot be written.
    """
    share = validation if isinstance(validation, int | float) else 0.0
    settings = settings_for(
        net,
        data,
        loss=loss,
        optimizer=optimizer,
        metrics=metrics,
        epochs=epochs,
        batch_size=batch_size,
        validation=float(share),
        holdout=holdout,
        seed=seed,
        dtype=dtype,
        normalize=normalize,
        augment=augment,
        mixup=mixup,
        accumulate=accumulate,
        until_loss=until_loss,
        patience=patience,
        steps_per_epoch=steps_per_epoch,
        max_steps=max_steps,
        max_seconds=max_seconds,
        audit=audit,
        watch=tuple(watch),
        every=every,
        device=device,
    )
    held = validation if isinstance(validation, Dataset) else None
    return run_settings(
        settings, data, held=held, callbacks=callbacks, out=out, tensorboard=tensorboard
    )


def run_settings(
    settings: Settings,
    data: Dataset | Data,
    *,
    held: Dataset | None = None,
    callbacks: Sequence[Callback] = (),
    out: str | Path | None = None,
    source: dict[str, Any] | None = None,
    tensorboard: str | Path | None = None,
) -> Run:
    """Train from settings; ``source`` says, in the run's folder, where the data came from."""
    source = dict(source or {})
    if tensorboard is not None and workers().rank == 0:
        source["tensorboard"] = str(Path(tensorboard).absolute())
        board = TensorBoard(tensorboard, settings, config_text(settings, source))
        callbacks = (*callbacks, board)
    training = Training(settings, data, held, tuple(callbacks))
    folder = None
    if out is not None:
        folder = RunFolder(out)
        if training.loop.workers.rank == 0:
            folder.create(settings, source)
    return training.run(folder)


def resume(
    path: str | Path,
    data: Dataset | Data | None = None,
    *,
    validation: Dataset | None = None,
    device: str | None = None,
    callbacks: Sequence[Callback] = (),
    tensorboard: str | Path | None = None,
) -> Run:
    """Continue a run from its folder, bit for bit as if it had not been stopped.

    Args:
        path: the run's folder.
        data: the same data as at the start; not needed where the run names its data set.
        validation: the same validation data set, where one was given to ``fit``.
        device: where to go on, if not where the run was; to the same bits only there.
        callbacks: as for ``fit``.
        tensorboard: another folder for TensorBoard's events than the run has, where it has one.

    Raises:
        ConfigError: there is no run in the folder, or it needs its data.
        ModelFileError: the checkpoint is damaged, or the data are not the same.
    """
    folder = RunFolder(path)
    settings, source = folder.read_config()
    if device is not None:
        settings = replace(settings, device=device)
    if data is None:
        data = data_of_source(folder, source)
    training = Training(settings, data, validation, tuple(callbacks))
    if folder.checkpoint.exists():
        training.loop.restore(folder.checkpoint)
    events = tensorboard or source.get("tensorboard")
    if events is not None and workers().rank == 0:
        text = config_text(settings, source)
        board = TensorBoard(events, settings, text, training.loop.history())
        training.loop.callbacks = (*training.loop.callbacks, board)
    return training.run(folder)


def data_of_source(folder: RunFolder, source: dict[str, Any]) -> Data:
    """Load the data that a run's ``config.toml`` names."""
    from pullback.data import load

    if "data" not in source:
        raise ConfigError(
            f"{folder.path}: the run was given its data as arrays; "
            "use pullback.resume(path, data) with the same data"
        )
    options = source.get("folder") or source.get("table") or {}
    if not isinstance(options, dict):
        raise ConfigError(f"{folder.config}: folder = {options!r}; expected a table")
    return load(source["data"], data_dir=source.get("data_dir"), **options)


class Training:
    """Data, loop and what becomes of them."""

    def __init__(
        self,
        settings: Settings,
        data: Dataset | Data,
        held: Dataset | None,
        callbacks: tuple[Callback, ...],
    ) -> None:
        train = data.train if isinstance(data, Data) else data
        self.data = data if isinstance(data, Data) else Data(data)
        if held is None and settings.validation > 0:
            train, held = split(train, settings.validation, settings.seed, settings.holdout)
        self.settings, self.train = settings, train
        self.normalizer = fit_normalizer(settings.normalize, train, self.data.image)
        self.loop = Loop(settings, train, held, self.normalizer, callbacks)

    def run(self, folder: RunFolder | None) -> Run:
        """Train, or only write the last files of a run that is over; keep all in ``folder``."""
        position = self.loop.position
        if position.stopped is None or position.stopped in UNFINISHED:
            try:
                self.loop.run(lambda: self._close_epoch(folder), lambda: self._finish(folder))
            except NonFiniteError as error:
                if folder is not None and position.records:
                    kept = f"{folder.checkpoint} is as it was after epoch {len(position.records)}"
                    raise NonFiniteError(f"{error}; {kept}") from None
                raise
        else:  # killed between the last checkpoint and the last file
            self._finish(folder)
        reason = position.stopped
        assert reason is not None
        return Run(self.model(), self.loop.history(), reason, folder.path if folder else None)

    def model(self) -> Model:
        """Return the model as it stands."""
        theta, state = self.loop.final()
        return Model(
            net=self.settings.net,
            theta=theta,
            state=state,
            loss=self.settings.loss,
            input=Spec(tuple(self.train.x.shape[1:]), str(self.train.x.dtype)),
            normalizer=self.normalizer,
            classes=self.train.classes,
            image=self.data.image,
            tokenizer=self.data.tokenizer,
            rate=self.data.rate,
            table=self.data.table,
        )

    def _save(self, folder: RunFolder | None) -> None:
        if folder is not None:
            self.loop.save(folder.checkpoint)
            if self.loop.workers.rank == 0:
                self.model().save(folder.model)
                folder.write_history(self.loop.history())

    def _close_epoch(self, folder: RunFolder | None) -> None:
        self._save(folder)
        if folder is not None and self.loop.workers.rank == 0:
            self.loop.emit(Saved(self.loop.position.epoch, folder.model))

    def _finish(self, folder: RunFolder | None) -> None:
        self._save(folder)
        if folder is not None and self.loop.workers.rank == 0:
            folder.write_curves(self.loop.history())
