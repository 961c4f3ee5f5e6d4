"""The Spanish is complete and up to date.

After changing a text, in the root of the repository:

    pybabel extract -F babel.cfg -k lazy_gettext --no-location --omit-header -o messages.pot .
    pybabel update -i messages.pot -d wa_app/translations -l es --no-fuzzy-matching --omit-header
    pybabel compile -d wa_app/translations

translate what is new in `messages.po`, compile once more, and remove `messages.pot`.
"""

import io
import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

from wa_app.config import ROOT

PO = ROOT / "wa_app" / "translations" / "es" / "LC_MESSAGES" / "messages.po"
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}


def _texts_in_code() -> set[str]:
    with (ROOT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    return {
        message
        for folder in ("wa_app", "templates")
        for _name, _line, message, _comments, _context in extract_from_dir(
            ROOT / folder,
            method_map=[(pattern.removeprefix(f"{folder}/"), how) for pattern, how in methods],
            options_map=options,
            keywords=KEYWORDS,
        )
    }


def _catalog():
    with PO.open("rb") as file:
        return read_po(file, locale="es")


def test_every_text_is_in_the_catalog_and_nothing_else() -> None:
    known = {message.id for message in _catalog() if message.id}
    texts = _texts_in_code()
    assert len(texts) > 200
    assert texts - known == set(), "translate these"
    assert known - texts == set(), "nobody says these any more"


@pytest.mark.parametrize("message", [m for m in _catalog() if m.id], ids=lambda m: m.id[:40])
def test_every_text_is_translated_with_its_placeholders(message) -> None:
    assert message.string
    assert not message.fuzzy
    placeholders = re.compile(r"%\(\w+\)[ds]|\{\w+\}")
    assert sorted(placeholders.findall(message.id)) == sorted(placeholders.findall(message.string))
    assert message.id[-1] != "." or message.string[-1] == "."


def test_the_compiled_catalog_is_up_to_date() -> None:
    compiled = io.BytesIO()
    write_mo(compiled, _catalog())
    fresh = read_mo(io.BytesIO(compiled.getvalue()))
    with Path(str(PO).replace(".po", ".mo")).open("rb") as file:
        committed = read_mo(file)
    assert {m.id: m.string for m in committed} == {m.id: m.string for m in fresh}
