"""Every language is complete and up to date.

After changing a text: `make translations`.
"""

import io
import re

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

from wa_app.config import ROOT

CATALOGS = {
    po.parts[-3]: po
    for po in sorted((ROOT / "wa_app" / "translations").glob("*/LC_MESSAGES/messages.po"))
}
EVERY_LANGUAGE = pytest.mark.parametrize("language", CATALOGS)
PO = CATALOGS["es"]
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


def _catalog(language: str):
    with CATALOGS[language].open("rb") as file:
        return read_po(file, locale=language)


@EVERY_LANGUAGE
def test_every_text_is_in_the_catalog_and_nothing_else(language: str) -> None:
    known = {message.id for message in _catalog(language) if message.id}
    texts = _texts_in_code()
    assert len(texts) > 200
    assert texts - known == set(), "translate these"
    assert known - texts == set(), "nobody says these any more"


def _forms(text) -> tuple[str, ...]:
    """One, or singular and plural."""
    return (text,) if isinstance(text, str) else tuple(text)


@EVERY_LANGUAGE
def test_every_text_is_translated_with_its_placeholders(language: str) -> None:
    for message in [one for one in _catalog(language) if one.id]:
        assert not message.fuzzy, message.id
        originals, translations = _forms(message.id), _forms(message.string)
        # A language may have more plurals than English, or one; each says what the last one says.
        for form, translated in enumerate(translations):
            text = originals[min(form, len(originals) - 1)]
            assert translated, text
            wanted, given = (sorted(PLACEHOLDER.findall(one)) for one in (text, translated))
            assert wanted == given, text
            assert text.endswith(".") == translated.endswith("."), text


@EVERY_LANGUAGE
def test_the_compiled_catalog_is_up_to_date(language: str) -> None:
    compiled = io.BytesIO()
    write_mo(compiled, _catalog(language))
    fresh = read_mo(io.BytesIO(compiled.getvalue()))
    with CATALOGS[language].with_suffix(".mo").open("rb") as file:
        committed = read_mo(file)
    assert _translated(committed) == _translated(fresh)


def _translated(catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    return {_forms(message.id): _forms(message.string) for message in catalog}
