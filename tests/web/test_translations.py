"""The Spanish is complete and up to date.

After changing a text: `make translations`.
"""

import io
import re
from pathlib import Path

from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

from wa_app.config import ROOT

PO = ROOT / "wa_app" / "translations" / "es" / "LC_MESSAGES" / "messages.po"
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"%\(\w+\)[ds]|\{\w+\}")


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


def _forms(text) -> tuple[str, ...]:
    """One, or singular and plural."""
    return (text,) if isinstance(text, str) else tuple(text)


def test_every_text_is_translated_with_its_placeholders() -> None:
    for message in [one for one in _catalog() if one.id]:
        assert not message.fuzzy, message.id
        for text, translated in zip(_forms(message.id), _forms(message.string), strict=True):
            assert translated, text
            wanted, given = (sorted(PLACEHOLDER.findall(one)) for one in (text, translated))
            assert wanted == given, text
            assert text.endswith(".") == translated.endswith("."), text


def test_the_compiled_catalog_is_up_to_date() -> None:
    compiled = io.BytesIO()
    write_mo(compiled, _catalog())
    fresh = read_mo(io.BytesIO(compiled.getvalue()))
    with Path(str(PO).replace(".po", ".mo")).open("rb") as file:
        committed = read_mo(file)
    assert _translated(committed) == _translated(fresh)


def _translated(catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {_forms(message.id): _forms(message.string) for message in catalog}
