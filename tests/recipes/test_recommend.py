"""Recommendation: files, figures, and from a file of ratings to what a user would like."""

from __future__ import annotations

import csv
import json
import signal

import numpy as np
import pytest
from runs import command_shows_figures, pullback

import pullback as pb

pytest.importorskip("pyarrow", reason="tables need pyarrow")

from pullback.data.tables.ratings import ratings
from pullback.recipes import recommend as module
from pullback.recipes.recommend import bare, best, biases, recommend, scores, simple


@pytest.fixture(scope="module")
def files(data_dir, tmp_path_factory):
    """Ratings of the first 60 users for the first 100 films, and of a fifth of them apart."""
    folder = tmp_path_factory.mktemp("ratings")
    for kind, name in (("base", "train.csv"), ("test", "test.csv")):
        lines = (data_dir / "ratings" / f"u1.{kind}").read_text().splitlines()
        rows = [line.split("\t") for line in lines]
        with (folder / name).open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["user", "item", "rating", "time"])
            writer.writerows(row for row in rows if int(row[0]) <= 60 and int(row[1]) <= 100)
    return folder / "train.csv", folder / "test.csv"


@pytest.fixture(scope="module")
def small(files):
    return ratings(*files)


@pytest.fixture(scope="module", params=["towers", "factors"])
def result(request, small, tmp_path_factory):
    out = tmp_path_factory.mktemp("recommend") / "run"
    return recommend(small, out, epochs=3, model=request.param)


def test_from_ratings_to_files(result):
    folder = result.run.path
    assert {"model.safetensors", "figures.json"} <= {path.name for path in folder.iterdir()}
    written = json.loads((folder / "figures.json").read_text())
    assert written == result.figures
    assert 0.7 < written["rmse"] < written["mean_rmse"] + 0.1
    for name in ("precision_at_10", "ndcg_at_10"):
        assert 0 < written[name] < 1
        assert 0 < written[f"popular_{name}"] < 1


def test_figures_are_those_of_the_ratings_and_of_scikit_learn(result, small, files):
    metrics = pytest.importorskip("sklearn.metrics")
    model = pb.load_model(result.run.path)
    with files[1].open() as file:
        rows = list(csv.DictReader(file))
    true = np.array([float(row["rating"]) for row in rows])
    x = (bare(small) if model.table.bare else small).test.x
    told = model.table.in_units(model.outputs(x))
    expected = metrics.root_mean_squared_error(true, told)
    assert result.figures["rmse"] == pytest.approx(expected, rel=1e-5)
    assert told.min() >= 1
    assert told.max() <= 5

    users, items = (list(side.words) for side in model.table.sides)
    with files[0].open() as file:
        seen = {(row["user"], row["item"]) for row in csv.DictReader(file)}
    good = {(r["user"], r["item"]) for r in rows if float(r["rating"]) >= 4 and r["item"] in items}
    precisions, gains = [], []
    for user in sorted({name for name, _ in good if name in users}):
        unseen = [i for i, item in enumerate(items) if (user, item) not in seen]
        given = scores(model, users.index(user), np.array(unseen))
        relevant = np.array([(user, items[i]) in good for i in unseen], float)
        gains.append(metrics.ndcg_score(relevant[None], given[None], k=10))
        precisions.append(relevant[np.argsort(-given)[:10]].sum() / 10)
    assert result.figures["ndcg_at_10"] == pytest.approx(np.mean(gains))
    assert result.figures["precision_at_10"] == pytest.approx(np.mean(precisions))


def test_simple_answers_by_hand(small, files):
    found = simple(small.table, small.test)
    with files[0].open() as file:
        rows = [(r["user"], r["item"], float(r["rating"])) for r in csv.DictReader(file)]
    mean = np.mean([r for *_, r in rows])
    with files[1].open() as file:
        test = [(r["user"], r["item"], float(r["rating"])) for r in csv.DictReader(file)]
    assert found["mean_rmse"] == pytest.approx(
        np.sqrt(np.mean([(r - mean) ** 2 for *_, r in test]))
    )
    by_item = {}
    for _, item, r in rows:
        by_item.setdefault(item, []).append(r)
    errors = [np.mean(by_item.get(item, [mean])) - r for _, item, r in test]
    assert found["item_mean_rmse"] == pytest.approx(np.sqrt(np.mean(np.square(errors))))
    assert found["biases_rmse"] < found["mean_rmse"]


def test_biases_are_where_no_side_would_move(small):
    user, item = biases(small.table, rounds=200)
    kind = small.table
    u, i = np.array(kind.users), np.array(kind.items)
    left = np.array(kind.values) - kind.middle - user[u] - item[i]
    for at, own in ((u, user), (i, item)):  # the slope of the squared error with its damping
        slope = np.bincount(at, left, len(own)) - module.DAMPING * own
        np.testing.assert_allclose(slope, 0, atol=1e-8)
    assert user[-1] == item[-1] == 0


def test_best_are_the_highest_of_those_unseen(result):
    model = pb.load_model(result.run.path)
    found, kind = best(model, "7"), model.table
    user = kind.user("7")
    seen = {kind.titles[i] for u, i in zip(kind.users, kind.items, strict=True) if u == user}
    titles = [title for title, _ in found]
    assert len(titles) == len(set(titles)) == 10
    assert not seen & set(titles)
    rest = [kind.titles.index(t) for t in kind.titles if t not in seen | set(titles)]
    lowest = scores(model, user, np.array([kind.titles.index(titles[-1])]))
    assert (scores(model, user, np.array(rest)) <= lowest + 1e-6).all()


def test_a_run_can_be_repeated_and_depends_on_its_seed(small, tmp_path):
    runs = [recommend(small, tmp_path / str(i), epochs=1, seed=i // 2).run for i in range(3)]
    one, two, other = (run.model.theta.flat for run in runs)
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


def test_many_users_are_measured_in_part(small, monkeypatch):
    monkeypatch.setattr(module, "RANKED", 3)
    asked = []

    def score(user, items):
        asked.append(user)
        return np.zeros(len(items))

    module.ranking(small.table, small.test, score)
    assert len(set(asked)) == 3


def test_what_cannot_be_is_refused(small, tmp_path):
    with pytest.raises(pb.errors.ConfigError, match="--model trees; expected one of towers, fac"):
        recommend(small, tmp_path, model="trees")
    with pytest.raises(pb.errors.ConfigError, match="digits: these are no ratings"):
        recommend(pb.data.load("digits"), tmp_path)


def test_an_interrupted_recipe_measures_nothing(small, tmp_path):
    def interrupt(event):
        if isinstance(event, pb.events.EpochEnded):
            signal.raise_signal(signal.SIGINT)

    found = recommend(small, tmp_path, epochs=2, callbacks=[interrupt])
    assert found.run.stopped == "interrupted"
    assert found.figures == {}


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_the_command_shows_the_figures(small, flags, tmp_path, monkeypatch, capsys):
    command_shows_figures(
        "recommend", lambda _, out, **given: recommend(small, out, **given),
        tmp_path / "run", flags, monkeypatch, capsys,
    )  # fmt: skip


def test_from_a_file_to_a_recommendation(files, tmp_path):
    train, test = files
    done = pullback("train", "recommend", "--data", train, "--test", test, "--epochs", "2",
                    "--out", "run", cwd=tmp_path)  # fmt: skip
    assert "test rmse" in done.stdout, done.stderr
    (tmp_path / "run" / "config.toml").unlink()  # the model is all that is needed
    model = pb.load_model(tmp_path / "run")

    done = pullback("recommend", "run", "--user", "7", cwd=tmp_path)
    expected = [f"{k:2}. {t}  ({r:.2f})" for k, (t, r) in enumerate(best(model, "7"), start=1)]
    assert done.stdout.splitlines() == expected, done.stderr
    done = pullback("recommend", "run", "--user", "7", "--json", cwd=tmp_path)
    told = json.loads(done.stdout)
    assert told["user"] == "7"
    assert [item["item"] for item in told["items"]] == [title for title, _ in best(model, "7")]

    with (tmp_path / "new.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("item", "user"), (5, 7), (5, "nobody"), (99999, 7)])
    done = pullback("predict", "run", "new.csv", cwd=tmp_path)
    said = [float(row["rating"]) for row in csv.DictReader(done.stdout.splitlines())]
    places = np.array([model.table.user("7"), -1]), np.array([model.table.titles.index("5"), -1])
    pairs = model.table.pairs(places[0][[0, 1, 0]], places[1][[0, 0, 1]])
    np.testing.assert_allclose(said, model.table.in_units(model.outputs(pairs)), rtol=1e-5)

    done = pullback("evaluate", "run", "--data", test, "--json", cwd=tmp_path)
    figures = json.loads(done.stdout)
    data = ratings(train, test)
    error = model.outputs(data.test.x)[:, 0] - data.test.y
    assert figures["loss"] == pytest.approx(np.mean(error**2), rel=1e-4)
    assert figures["mae"] == pytest.approx(np.mean(np.abs(error)), rel=1e-4)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("train", "recommend", "--data", "gone.csv"), 3, "gone.csv: there is no such file"),
        (("train", "recommend", "--test", "own.csv"), 2, "--test goes with --data"),
        (("train", "recommend", "--data", "own.csv"), 3, "there is no column 'rating'"),
        (("train", "recommend", "--model", "trees"), 2, "--model trees; expected one of towers"),
        (("recommend", "run", "--user", "7"), 3, "run: there is no such"),
    ],
)
def test_wrong_commands_are_refused(arguments, code, message, tmp_path, data_dir):
    (tmp_path / "own.csv").write_text("user,item,stars\n1,2,3\n")
    done = pullback(*arguments, cwd=tmp_path, PULLBACK_DATA_DIR=str(data_dir))
    assert done.returncode == code
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_recommend_needs_a_user_and_a_model_of_ratings(result, tmp_path):
    done = pullback("recommend", result.run.path, "--user", "9999", cwd=tmp_path)
    assert done.returncode == 3
    assert "there is no user '9999' among the" in done.stderr
    net, data = pb.Chain(pb.Flatten(), pb.Linear(10)), pb.data.load("digits")
    loss, rule = pb.losses.CrossEntropy(), pb.optim.Adam()
    pb.fit(net, data, epochs=1, loss=loss, optimizer=rule, out=tmp_path / "run")
    done = pullback("recommend", "run", "--user", "1", cwd=tmp_path)
    assert done.returncode == 2
    assert "was not trained on ratings" in done.stderr
