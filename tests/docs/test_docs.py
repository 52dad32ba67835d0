"""The pages keep their promises: snippets run, shown output is true, links and flags exist."""

from __future__ import annotations

import doctest
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from pullback.cli.main import cli
from pullback.core import registry
from pullback.core.map import MAPS

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.M | re.S)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
SHELL = ("sh", "bash", "shell", "console")
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PAGE_MODULE = "a_page"
NEEDS_MNIST = "mnist"
EXTRAS = {
    "sklearn": "scikit-learn",
    "tables": "the extra 'tables'",
    "keras": "the extra 'keras'",
    "torch": "PyTorch",
    "onnx": "the extra 'onnx'",
}
MODULES = {"tables": "pyarrow", "keras": "h5py"}
NOT_RUN = "no-run"
PLACEHOLDER = re.compile(r"[<>]|\.\.\.|\bDATA\b|\bRUN\b")


def page_id(page: Path) -> str:
    return str(page.relative_to(ROOT))


def python_blocks(page: Path) -> list[tuple[str, str, int]]:
    """(words after ``python``, code, line of the code) of each Python block."""
    text = page.read_text("utf-8")
    return [
        (match[2], match[3], text.count("\n", 0, match.start(3)))
        for match in BLOCK.finditer(text)
        if match[1] == "python" and NOT_RUN not in match[2]
    ]


def run_block(code: str, page: Path, line: int, names: dict[str, Any]) -> None:
    if ">>> " not in code:
        # the newlines make a traceback name the page's own lines
        exec(compile("\n" * line + code, str(page), "exec"), names)
        return
    parser = doctest.DocTestParser()
    test = parser.get_doctest(code, names, page_id(page), str(page), line)
    runner = doctest.DocTestRunner(optionflags=FLAGS, verbose=False)
    found: list[str] = []
    runner.run(test, out=found.append, clear_globs=False)
    names.update(test.globs)
    assert runner.failures == 0, "".join(found)


def forget_classes_of_pages() -> None:
    """Take out of the registries what a page put in, or other tests would miss its table row."""
    for classes in (registry._TYPES, MAPS._classes):
        for name in [name for name, cls in classes.items() if cls.__module__ == PAGE_MODULE]:
            del classes[name]


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=page_id)
def test_python_blocks_run_and_print_what_is_shown(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.chdir(tmp_path)
    request.addfinalizer(forget_classes_of_pages)
    names: dict[str, Any] = {"__name__": PAGE_MODULE}
    blocks = python_blocks(page)
    for name in {word for words, _, _ in blocks for word in words.split() if word in EXTRAS}:
        pytest.importorskip(MODULES.get(name, name), reason=f"{EXTRAS[name]} is not installed")
    for words, code, line in blocks:
        if NEEDS_MNIST not in words:
            run_block(code, page, line, names)
    # last, as the page counts as skipped where the data are missing
    for words, code, line in blocks:
        if NEEDS_MNIST in words:
            monkeypatch.setenv("PULLBACK_DATA_DIR", str(request.getfixturevalue("data_dir")))
            run_block(code, page, line, names)


def anchors(page: Path) -> set[str]:
    """The fragments that the page's headings get."""
    text = BLOCK.sub("", page.read_text("utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    cleaned = (re.sub(r"[^\w\- ]", "", heading.strip().lower()) for heading in headings)
    return {heading.replace(" ", "-") for heading in cleaned}


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_relative_links_point_to_what_exists(page: Path) -> None:
    text = BLOCK.sub("", page.read_text("utf-8"))
    for target in LINK.findall(text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, fragment = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), f"{page_id(page)} links to {target}"
        if fragment and linked.suffix == ".md":
            assert fragment in anchors(linked), f"{page_id(page)} links to {target}"


def command_lines(page: Path) -> list[str]:
    """Every ``pullback <command> ...`` in shell blocks and in the text."""
    text = page.read_text("utf-8")
    found = []
    for match in BLOCK.finditer(text):
        if match[1] in SHELL:
            lines = match[3].replace("\\\n", " ").splitlines()
            found += [line.strip().removeprefix("$ ") for line in lines]
    found += INLINE.findall(BLOCK.sub("", text))
    named = tuple(f"pullback {name}" for name in cli.commands)
    return [line for line in found if line.startswith(named)]


@pytest.mark.parametrize("page", [page for page in PAGES if command_lines(page)], ids=page_id)
def test_command_lines_use_options_that_exist(page: Path) -> None:
    for line in command_lines(page):
        name, *arguments = shlex.split(line, comments=True)[1:]
        command = cli.commands[name]
        if not arguments or PLACEHOLDER.search(line):
            known = {flag for option in command.params for flag in option.opts}
            flags = {word.partition("=")[0] for word in arguments if word.startswith("--")}
            assert flags <= known, f"{page_id(page)}: {line}"
        else:
            command.make_context(name, list(arguments))


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    links = LINK.findall(index.read_text("utf-8"))
    linked = {(index.parent / target).resolve() for target in links}
    assert {page.resolve() for page in PAGES[1:] if page != index} <= linked
