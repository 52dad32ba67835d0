"""``pullback generate``: a text that a run's model writes, and what is refused in one line."""

import json

import pytest
from runs import pullback

import pullback as pb
from pullback.data.text import Characters, windows
from pullback.decode import generate
from pullback.models import char_transformer

TEXT = "brevity is the soul of wit. " * 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a short run on a sentence, and one on digits."""
    path = tmp_path_factory.mktemp("generate")
    letters = Characters("".join(sorted(set(TEXT))), unknown=False)
    pb.fit(
        char_transformer(letters.size, 1, 2, 16, 16),
        pb.data.Data(windows(letters.encode(TEXT), 16), tokenizer=letters),
        loss=pb.losses.CrossEntropy(), optimizer=pb.optim.Adam(0.01), epochs=12, batch_size=32,
        normalize="none", metrics=(), out=path / "run",
    )  # fmt: skip
    pb.fit(
        pb.Chain(pb.Flatten(), pb.Linear(10)), pb.data.load("digits"), epochs=1,
        loss=pb.losses.CrossEntropy(), optimizer=pb.optim.Adam(), out=path / "digits",
    )  # fmt: skip
    return path


def test_the_text_is_that_of_python(folder):
    model = pb.load_model(folder / "run")
    options = {"length": 40, "temperature": 0.7, "top_k": 9, "top_p": 0.95, "seed": 4}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    for run in ("run", "run/model.safetensors"):
        done = pullback("generate", run, "--prompt", "the ", *flags, cwd=folder)
        assert done.stderr == ""
        assert done.stdout == f"the {''.join(generate(model, 'the ', **options))}\n"
    done = pullback("generate", "run", "--prompt", "the ", *flags, "--json", cwd=folder)
    found = json.loads(done.stdout)
    assert found == {"prompt": "the ", "text": "".join(generate(model, "the ", **options))}


def test_a_trained_model_goes_on_with_the_sentence(folder):
    done = pullback(
        "generate", "run", "--prompt", "brevity", "--length", 30, "--temperature", 0, cwd=folder
    )
    assert done.stdout == "brevity is the soul of wit. brevity i\n"


@pytest.mark.parametrize(
    ("run", "arguments", "said"),
    [
        ("run", ["--prompt", "to §"], "the prompt: character 3: '§' is not one of"),
        ("run", ["--prompt", ""], "the prompt is empty"),
        ("run", ["--temperature", "-1"], "temperature=-1.0; expected a number of at least 0"),
        ("run", ["--top-k", "0"], "top_k=0"),
        ("run", ["--top-p", "1.5"], "top_p=1.5"),
        ("run", ["--length", "0"], "length=0"),
        ("digits", [], "was not trained on text"),
        ("nothing", [], "nothing"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder, capsys, run, arguments, said):
    from pullback.cli.main import main

    with pytest.raises(SystemExit) as ended:
        main(["generate", str(folder / run), "--prompt", "to", *arguments])
    assert ended.value.code in (2, 3)
    shown = capsys.readouterr()
    assert said in shown.err
    assert len(shown.err.splitlines()) == 1
    assert shown.out == ""


def test_the_prompt_is_a_new_line_where_none_is_given(folder):
    done = pullback("generate", "run", cwd=folder)
    assert done.returncode == 3
    assert "the prompt: character 0: '\\n' is not one of" in done.stderr
    assert len(done.stderr.splitlines()) == 1
