"""C++ text without its comments and literals, and its braces.

This is no parser. It knows enough of the language (comments, strings, raw
strings, character literals, brackets) that rules written over the rest do not
trip over words in comments. Every function keeps the length of the text, so
that an offset in the result is an offset in the file.
"""

import bisect
import re

_LITERAL = re.compile(
    r"""
      //[^\n]*                                       # comment to the end of the line
    | /\*.*?\*/                                      # comment
    | R"(?P<tag>[^()\s\\]{0,16})\(.*?\)(?P=tag)"     # raw string
    | "(?:\\.|[^"\\\n])*"                            # string
    | (?<![0-9A-Za-z_])(?:u8|[uUL])?'(?:\\.|[^'\\\n])+'   # character, not a digit separator
    """,
    re.VERBOSE | re.DOTALL,
)


def blank(text):
    """Replaces comments and the inside of literals by spaces; newlines and quotes stay."""

    def spaces(match):
        found = match.group(0)
        blanked = re.sub(r"[^\n]", " ", found)
        if found[0] == "/":
            return blanked
        return found[0] + blanked[1:-1] + found[-1]

    return _LITERAL.sub(spaces, text)


def blank_directives(blanked):
    """Replaces preprocessor lines, with their continuations, by spaces."""
    return re.sub(
        r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*",
        lambda m: re.sub(r"[^\n]", " ", m.group(0)),
        blanked,
        flags=re.MULTILINE,
    )


class Lines:
    """Turns offsets into line numbers, from 1."""

    def __init__(self, text):
        self._starts = [0] + [m.end() for m in re.finditer("\n", text)]

    def at(self, offset):
        return bisect.bisect_right(self._starts, offset)


_CLOSING = {"(": ")", "[": "]", "{": "}"}
_OPENING = {close: open_ for open_, close in _CLOSING.items()}


def match_forward(text, start):
    """The offset of the bracket that closes the one at `start`, or len(text)."""
    depth = 0
    for i in range(start, len(text)):
        if text[i] in _CLOSING:
            depth += 1
        elif text[i] in _OPENING:
            depth -= 1
            if depth == 0:
                return i
    return len(text)


def match_backward(text, end):
    """The offset of the bracket that opens the one closed at `end`, or 0."""
    depth = 0
    for i in range(end, -1, -1):
        if text[i] in _OPENING:
            depth += 1
        elif text[i] in _CLOSING:
            depth -= 1
            if depth == 0:
                return i
    return 0


def before(text, offset):
    """The offset of the last non-space character before `offset`, or -1."""
    i = offset - 1
    while i >= 0 and text[i].isspace():
        i -= 1
    return i


def after(text, offset):
    """The offset of the first non-space character at or after `offset`, or len(text)."""
    while offset < len(text) and text[offset].isspace():
        offset += 1
    return offset


def word_before(text, offset):
    """The identifier that ends right before `offset`, spaces aside; '' when none does."""
    end = before(text, offset) + 1
    start = end
    while start > 0 and (text[start - 1].isalnum() or text[start - 1] == "_"):
        start -= 1
    return text[start:end]
