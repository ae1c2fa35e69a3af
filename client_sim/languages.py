"""The languages of what people read, Chinese and English: texts in both, and which one the environment asks for."""

from __future__ import annotations

import os
from typing import Literal, NamedTuple, TypeAlias

Language: TypeAlias = Literal["zh", "en"]


class Text(NamedTuple):
    """One text in both languages, with {fields}."""

    zh: str
    en: str

    def in_language(self, language: str, **fields: object) -> str:
        """The text with its fields filled in."""
        return (self.zh if language == "zh" else self.en).format(**fields)


def language_of_environment() -> Language:
    """zh if the locale is Chinese, otherwise en."""
    locale = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return "zh" if locale.startswith("zh") else "en"
