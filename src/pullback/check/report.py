"""What a check found: a row for everything compared, and a table of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pullback.core.errors import PullbackError

TEXT = {
    "headings": ("tensor", "check", "method", "norm", "error", "bound", ""),
    "passed": "pass",
    "failed": "FAIL",
    "unchecked": "not checked",
    "all_passed": "{count} checks passed",
    "some_failed": "{failed} of {count} checks failed",
}


class GradientError(PullbackError):
    """A gradient, or something that gradients rely on, is not what it should be (exit code 4)."""

    exit_code = 4


@dataclass(frozen=True)
class Finding:
    """One comparison.

    ``tensor`` is what was compared: ``x``, ``y``, ``gy`` or a parameter's path. ``method`` is what
    it was compared with, ``norm`` the size of the right answer, ``error`` how far the found one is
    from it (relative, where there is a norm) and ``bound`` the largest error that passes. ``note``
    says what kind of mistake it looks like. ``error=None``: it could not be checked, and ``note``
    says why.
    """

    tensor: str
    check: str
    method: str
    error: float | None
    bound: float = 0.0
    norm: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the error is within the bound; NaN is not. What was not checked does not fail."""
        return self.error is None or self.error <= self.bound

    @property
    def verdict(self) -> str:
        """The last column of the table."""
        word = TEXT["passed"] if self.passed else TEXT["failed"]
        if self.error is None:
            word = TEXT["unchecked"]
        return f"{word}: {self.note}" if self.note else str(word)


@dataclass(frozen=True)
class Report:
    """The findings of a check; printed, a table."""

    title: str
    findings: tuple[Finding, ...]

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.findings)

    def __len__(self) -> int:
        return len(self.findings)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that did not pass."""
        return tuple(finding for finding in self.findings if not finding.passed)

    @property
    def passed(self) -> bool:
        """Whether something was checked, and nothing failed."""
        return not self.failures and any(f.error is not None for f in self.findings)

    def raise_for_failure(self) -> Report:
        """Return the report itself where everything passed.

        Raises:
            GradientError: something failed; the first failure is named.
        """
        if self.passed:
            return self
        worst = self.failures[0] if self.failures else Finding("-", "nothing", "-", None)
        raise GradientError(
            f"{self.title}: {worst.tensor}: {worst.check} ({worst.method}): error "
            f"{_number(worst.error)}, expected at most {_number(worst.bound)}; {worst.note}"
        )

    def __str__(self) -> str:
        rows = [
            (f.tensor, f.check, f.method, _number(f.norm), _number(f.error), _number(f.bound),
             f.verdict)
            for f in self.findings
        ]  # fmt: skip
        table = [tuple(TEXT["headings"]), *rows]
        widths = [max(len(row[i]) for row in table) for i in range(6)]
        lines = [
            "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[6]])
            for row in table
        ]
        count, failed = len(self.findings), len(self.failures)
        end = TEXT["some_failed"] if failed else TEXT["all_passed"]
        body = [line.rstrip() for line in lines]
        return "\n".join([self.title, *body, str(end).format(count=count, failed=failed)])


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.2e}" if value else "0"
