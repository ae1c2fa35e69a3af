"""`make check` runs this: no tracked text file uses a word or phrase of words.toml, except as its exceptions allow.

A space in a phrase stands for spaces, line breaks, comment marks and underscores, so identifiers count too.
The descriptions of the test vectors are read, other JSON is not.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORDS = "tests/language/words.toml"
NOT_PROSE = (".svg", ".png", ".json", "LICENSE", WORDS)
VECTORS = re.compile(r"tests/vectors/\w+\.json")
ABOUT = re.compile(r'"about": "([^"]*)"')


def expressions(phrases: Mapping[str, str]) -> dict[str, str]:
    """The regular expression of each phrase, for text in lower case; without groups, which would cost time."""
    return {phrase: phrase.replace("(", "(?:").replace(" ", r"(?:[\s#_*>]|//|--)+") for phrase in phrases}


def find(text: str, phrases: Mapping[str, str]) -> Iterator[tuple[int, str, str]]:
    """Line, phrase and matched text of every occurrence."""
    by_phrase = expressions(phrases)
    for match in re.finditer(rf"(?<![^\W_])(?:{'|'.join(by_phrase.values())})(?![^\W_])", text.lower()):
        phrase = next(phrase for phrase, one in by_phrase.items() if re.fullmatch(one, match[0]))
        yield text.count("\n", 0, match.start()) + 1, phrase, " ".join(match[0].split())


def prose(root: Path, path: str) -> str:
    """The text of a file that people read, with its line numbers; empty if there is none."""
    if VECTORS.fullmatch(path):
        return "\n".join(" ".join(ABOUT.findall(line)) for line in (root / path).read_text().splitlines())
    return "" if path.endswith(NOT_PROSE) else (root / path).read_text()


def check(root: Path, paths: list[str], words: Mapping[str, dict[str, str]], skipped: tuple[str, ...]) -> list[str]:
    """One line per occurrence that is not an exception, and per exception without an occurrence."""
    complaints, phrases, exceptions = [], words["instead_of"], words["exceptions"]
    unused = {(path, phrase) for path, allowed in exceptions.items() for phrase in allowed}
    for path in paths:
        if path.startswith(skipped) or not (root / path).is_file():
            continue
        for line, phrase, matched in find(prose(root, path), phrases):
            if phrase in exceptions.get(path, ()):
                unused.discard((path, phrase))
            else:
                complaints.append(f"{path}:{line}: {matched!r}, write instead: {phrases[phrase]}")
    return complaints + [
        f"{WORDS}: no exception {phrase!r} is needed for {path}" for path, phrase in sorted(unused)
    ]


def main() -> int:
    """Exit code 1 if there are complaints."""
    words = tomllib.loads((ROOT / WORDS).read_text())
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    complaints = check(ROOT, listing.stdout.split("\0")[:-1], words, tuple(words["not_yet_checked"]))
    print("\n".join(complaints), end="\n" if complaints else "")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
