"""Results of checks as JUnit, HTML and JSON.

Source: the JUnit XML that CI servers read (testsuites, testsuite, testcase, failure).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from testbeam.driver.driver import Result
from testbeam.report.page import Page, Section, folded, log, render, table


def as_json(results: Sequence[Result]) -> dict[str, Any]:
    """Return the results as one object."""
    return {
        "ok": all(result.ok for result in results),
        "passed": sum(result.ok and not result.skipped for result in results),
        "skipped": sum(bool(result.skipped) for result in results),
        "failed": sum(not result.ok for result in results),
        "seconds": round(sum(result.elapsed_s for result in results), 3),
        "checks": [_entry(result) for result in results],
    }


def _entry(result: Result) -> dict[str, Any]:
    return {
        "name": result.name,
        "script": str(result.script),
        "ok": result.ok,
        "seconds": round(result.elapsed_s, 3),
        "problem": result.problem,
        "skipped": result.skipped,
        "place": result.place,
        "subtests": [
            {"name": sub.name, "ok": not sub.problem, "seconds": round(sub.elapsed_s, 3), "problem": sub.problem} for sub in result.subtests
        ],
        "explanation": result.explanation.blocks,
        "folder": str(result.folder or ""),
    }


def junit(results: Sequence[Result]) -> str:
    """Return the results as JUnit XML: a suite for each check, a case for each subtest, and one for the script as a whole."""
    suites = "".join(_suite(result) for result in results)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>{suites}</testsuites>\n'


def _suite(result: Result) -> str:
    cases = [_case(result, sub.name, sub.elapsed_s, sub.problem) for sub in result.subtests]
    if result.skipped:
        return _skipped_suite(result)
    cases.append(_case(result, "script", result.elapsed_s, result.problem))
    failures = sum(bool(sub.problem) for sub in result.subtests) + (not result.ok)
    return (
        f'<testsuite name={quoteattr(result.name)} tests="{len(cases)}" failures="{failures}" time="{result.elapsed_s:.3f}">'
        f"{''.join(cases)}</testsuite>"
    )


def _skipped_suite(result: Result) -> str:
    head = f'<testsuite name={quoteattr(result.name)} tests="1" failures="0" skipped="1" time="0.000">'
    case = f'<testcase classname={quoteattr(result.name)} name="script" time="0.000">'
    return f"{head}{case}<skipped message={quoteattr(_clean(result.skipped))}/></testcase></testsuite>"


def _case(result: Result, name: str, seconds: float, problem: str) -> str:
    head = f'<testcase classname={quoteattr(result.name)} name={quoteattr(name)} time="{seconds:.3f}"'
    if not problem:
        return f"{head}/>"
    text = _clean(f"{result.place}\n\n{result.explanation}")
    return f"{head}><failure message={quoteattr(_clean(problem))}>{escape(text)}</failure></testcase>"


def _clean(text: str) -> str:
    """Leave out what XML can't hold."""
    return "".join(char for char in text if char in "\t\n\r" or ord(char) >= 0x20)


def page(results: Sequence[Result]) -> str:
    """Return the results as one HTML page."""
    ok = all(result.ok for result in results)
    failed = [result.name for result in results if not result.ok]
    rows = [(result.name, _word(result), f"{result.elapsed_s:.2f}", str(len(result.subtests))) for result in results]
    sections = [Section(title="Checks", body=table(("check", "result", "s", "subtests"), rows))]
    sections += [Section(title=result.name, body=_details(result), wide=True) for result in results]
    return render(
        Page(
            title="Checks",
            ok=ok,
            verdict=_verdict(results) if ok else f"failed: {', '.join(failed)}",
            facts=[("checks", str(len(results))), ("seconds", f"{sum(result.elapsed_s for result in results):.1f}")],
            sections=sections,
        )
    )


def _word(result: Result) -> str:
    return "skipped" if result.skipped else "passed" if result.ok else "failed"


def _verdict(results: Sequence[Result]) -> str:
    skipped = sum(bool(result.skipped) for result in results)
    return f"{len(results) - skipped} passed" + (f", {skipped} skipped" if skipped else "")


def _details(result: Result) -> str:
    rows = [(sub.name, "failed" if sub.problem else "passed", f"{sub.elapsed_s:.2f}", sub.problem) for sub in result.subtests]
    body = table(("subtest", "result", "s", "problem"), rows) if rows else ""
    if result.skipped:
        body += log(f"skipped: {result.skipped}")
    if result.problem:
        body += log(f"{result.problem}\n\n{result.place}")
    return body + "".join(folded(title, log(text)) for title, text in result.explanation.blocks)


def write(results: Sequence[Result], junit_file: Path | None, html_file: Path | None) -> None:
    """Write the files that are asked for."""
    if junit_file is not None:
        junit_file.write_text(junit(results), encoding="utf-8")
    if html_file is not None:
        html_file.write_text(page(results), encoding="utf-8")
