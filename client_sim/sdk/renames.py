"""Old names of methods and keywords: they work for one version more, with a DeprecationWarning."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Words = ParamSpec("Words")
Result = TypeVar("Result")


def renamed(old: str, method: Callable[Words, Result]) -> Callable[Words, Result]:
    """The same method under its old name."""

    @functools.wraps(method)
    def warn_and_call(*args: Words.args, **options: Words.kwargs) -> Result:
        warnings.warn(f"{old} is deprecated: use {method.__name__}", DeprecationWarning, stacklevel=2)
        return method(*args, **options)

    return warn_and_call


def keyword_renamed(old: str, new: str) -> Callable[[Callable[Words, Result]], Callable[Words, Result]]:
    """A decorator: the method takes this keyword under its old name, too."""

    def decorate(method: Callable[Words, Result]) -> Callable[Words, Result]:
        @functools.wraps(method)
        def warn_and_call(*args: Words.args, **options: Words.kwargs) -> Result:
            if old in options:
                warnings.warn(f"{old}= is deprecated: use {new}=", DeprecationWarning, stacklevel=2)
                options[new] = options.pop(old)
            return method(*args, **options)

        return warn_and_call

    return decorate
