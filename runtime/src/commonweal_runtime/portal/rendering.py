"""How pages are drawn: the templates in each language, with what they may use. A name that a template misspells is an error, not an empty place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from jinja2 import ChainableUndefined, ChoiceLoader, Environment, PackageLoader, PrefixLoader
from jinja2.exceptions import UndefinedError

from commonweal_runtime.portal.languages import NAMES, Language, languages

# Names that the macros of govuk-frontend use whether or not they have set them: its own language of templates knows no undefined names.
_THEIRS = ("undefined", "null", "hintId", "errorId", "itemHintId", "itemDescribedBy", "isChecked", "hasHint", "labelHtml", "effectiveValue")


class Missing(ChainableUndefined):
    """What a template finds nothing for. Only in a plain mapping may something be left out: so do the macros of govuk-frontend take their options."""

    def _lenient(self) -> bool:
        return self._undefined_name in (None, "caller") or isinstance(self._undefined_obj, Mapping | Missing)

    def _fail(self) -> NoReturn:
        raise UndefinedError(self._undefined_message)

    def __getattr__(self, name: str) -> Any:
        return super().__getattr__(name) if name.startswith("__") or self._lenient() else self._fail()

    def __getitem__(self, name: Any) -> Any:
        return self if self._lenient() else self._fail()

    def __bool__(self) -> bool:
        return False if self._lenient() else self._fail()

    def __str__(self) -> str:
        return "" if self._lenient() else self._fail()

    def __iter__(self) -> Any:
        return iter(()) if self._lenient() else self._fail()

    def __len__(self) -> int:
        return 0 if self._lenient() else self._fail()


def environment(language: Language) -> Environment:
    """Return the templates in one language."""
    made = Environment(
        loader=ChoiceLoader(
            [
                PackageLoader("commonweal_runtime.portal"),
                PrefixLoader({"govuk_frontend_jinja": PackageLoader("govuk_frontend_jinja")}),
            ]
        ),
        autoescape=True,
        undefined=Missing,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.install_gettext_translations(language, newstyle=True)  # type: ignore[attr-defined]  # of the extension
    made.globals |= dict.fromkeys(_THEIRS, Missing())  # which is equal to whatever else is missing
    made.globals |= {"words": language.words, "day": language.day, "moment": language.moment, "listed": language.listed}
    made.globals |= {"language": language.code, "language_names": NAMES}
    return made


class Renderer:
    """Draws pages. Each template is read once in each language."""

    def __init__(self) -> None:
        self._environments = {code: environment(language) for code, language in languages().items()}

    def render(self, template: str, language: str, values: Mapping[str, Any]) -> bytes:
        """Return the page as it is sent."""
        return self._environments[language].get_template(template).render(values).encode()
