"""Arrays of other libraries go in: tensors, data frames, and what has ``__dlpack__`` alone."""

import numpy as np
import pytest

import pullback as pb
from pullback.core.errors import DataError
from pullback.train.model import Model


class Capsule:
    """An array that has nothing but the protocol."""

    def __init__(self, array):
        self._array = array

    def __dlpack__(self, **options):
        return self._array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self._array.__dlpack_device__()


def torch_tensor(array):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    return torch.from_numpy(array)


def pandas_frame(array):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    return pandas.DataFrame(array) if array.ndim == 2 else pandas.Series(array)


def polars_frame(array):
    polars = pytest.importorskip("polars", reason="polars is not installed")
    return polars.DataFrame(array) if array.ndim == 2 else polars.Series(array)


KINDS = {"torch": torch_tensor, "pandas": pandas_frame, "polars": polars_frame, "dlpack": Capsule}
each_kind = pytest.mark.parametrize("made", KINDS.values(), ids=KINDS.keys())


@pytest.fixture
def arrays(rng):
    return rng.standard_normal((40, 3)).astype("float32"), rng.integers(0, 2, 40)


def fitted(data):
    loss, rule = pb.losses.CrossEntropy(), pb.optim.Adam(0.01)
    return pb.fit(pb.Linear(2), data, loss=loss, optimizer=rule, epochs=2, batch_size=8).model


@each_kind
def test_they_train_and_predict_as_numpy_does(made, arrays):
    x, y = arrays
    theirs = fitted(pb.data.from_arrays(made(x), made(y), weight=made(np.ones(40))))
    ours = fitted(pb.data.from_arrays(x, y, weight=np.ones(40)))
    np.testing.assert_array_equal(theirs.theta.flat, ours.theta.flat)
    for method in (theirs.outputs, theirs.predict_proba, theirs.predict):
        found = method(made(x))
        assert type(found) is np.ndarray
        np.testing.assert_array_equal(found, method(x))


@each_kind
def test_a_dataset_takes_them(made, arrays):
    x, y = arrays
    data = pb.data.Dataset(made(x), made(y), classes=("a", "b"))
    np.testing.assert_array_equal(data.x, x)
    np.testing.assert_array_equal(data.y, y)


def test_a_tensor_shares_its_memory(arrays):
    tensor = torch_tensor(arrays[0])
    assert np.shares_memory(pb.data.from_arrays(tensor, arrays[1]).x, arrays[0])


def test_what_comes_out_goes_into_others(arrays):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    model = fitted(pb.data.from_arrays(*arrays))
    assert isinstance(model, Model)
    for array in (model.predict_proba(arrays[0]), model.theta.flat, model.theta["W"]):
        np.testing.assert_array_equal(torch.from_dlpack(array).numpy(), array)


def test_a_tensor_with_a_gradient_is_refused_with_what_to_do(arrays):
    tensor = torch_tensor(arrays[0]).requires_grad_()
    with pytest.raises(DataError, match="detach") as caught:
        pb.data.from_arrays(tensor, arrays[1])
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="detach"):
        fitted(pb.data.from_arrays(*arrays)).predict(tensor)
