"""What the doctor found, in the reader's language: for the page, for programs, for a terminal and
for somebody who helps."""

import platform
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import current_app

from wa_app import __version__
from wa_app.services.doctor.checks import Doctor, Report
from wa_app.services.doctor.findings import Finding
from wa_app.wording.diagnoses import GROUPS, words_of


def examine() -> Report:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    return doctor().look(app, app.extensions["runtime"].context)


def doctor() -> Doctor:
    """The server's own."""
    kept: Doctor = current_app.extensions.setdefault("doctor", Doctor())
    return kept


@dataclass(frozen=True)
class Diagnosis:
    check: str
    ok: bool
    code: str
    message: str
    remedy: str | None


def diagnoses(report: Report) -> list[Diagnosis]:
    """In the order of the checks, in the reader's language."""
    return [_diagnosis(check, finding) for check, finding in report.findings]


def _diagnosis(check: str, finding: Finding) -> Diagnosis:
    words = words_of(check, finding.code)
    values = {name: _shown(value) for name, value in finding.values.items()} | {"check": check}
    remedy = None if words.remedy is None else str(words.remedy) % values
    return Diagnosis(check, finding.ok, finding.code, str(words.sentence) % values, remedy)


def _shown(value: object) -> str:
    """Times in UTC, whoever asks and wherever: a report is read by others, too."""
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else str(value)


def grouped(told: list[Diagnosis]) -> dict[str, list[Diagnosis]]:
    """What is well, by group; no group is empty."""
    wells = [one for one in told if one.ok]
    groups = {str(title): [one for one in wells if one.check in checks] for title, checks in GROUPS}
    return {title: members for title, members in groups.items() if members}


def document(report: Report) -> dict[str, Any]:
    checks = [
        {
            "check": one.check,
            "ok": one.ok,
            "code": one.code,
            "message": one.message,
            "remedy": one.remedy,
        }
        for one in diagnoses(report)
    ]
    return {"ok": report.ok, "checks": checks}


def lines(report: Report) -> Iterator[str]:
    """For a terminal: one line each, and what to do."""
    for one in diagnoses(report):
        yield f"{'✓' if one.ok else '✗'} {one.message}"
        if one.remedy:
            yield f"    {one.remedy}"


def plain_text(report: Report) -> str:
    """For somebody who helps: what this is, and everything with its stable words."""
    head = f"Vigía {__version__}, Python {platform.python_version()}, {platform.platform()}"
    told = [
        f"{'✓' if one.ok else '✗'} {one.check} {one.code}: {one.message}"
        for one in diagnoses(report)
    ]
    return "\n".join([head, _shown(report.at), *told])
