"""Where C++ functions begin and end, by rough brace matching."""

import dataclasses
import re

from checks import cpp_text

_NAMESPACE = re.compile(r"^(inline\s+)?namespace\b|^extern\s*\"")
_TYPE = re.compile(r"\b(class|struct|union|enum)\b")
_TEMPLATE = re.compile(r"\btemplate\s*<")
_ACCESS = re.compile(r"\s*(?:public|private|protected)\s*:(?!:)")
_INIT_LIST = re.compile(r"\)\s*(?:noexcept\s*(?:\([^)]*\))?\s*)?:(?!:)")


@dataclasses.dataclass(frozen=True)
class Function:
    name: str
    first: int  # line of the head
    last: int  # line of the closing brace

    @property
    def lines(self):
        return self.last - self.first + 1


def find(blanked):
    """The functions of a file, those of classes included. Lambdas count to their function."""
    text = cpp_text.blank_directives(blanked)
    lines = cpp_text.Lines(text)
    found = []
    _scan(text, 0, len(text), lines, found)
    return found


def _scan(text, begin, end, lines, found):
    """Walks one namespace or class body; `head` is what stands before a brace."""
    head = i = begin
    while i < end:
        char = text[i]
        if char in "([":
            i = cpp_text.match_forward(text, i)
        elif char == ";":
            head = i + 1
        elif char == "{":
            close = cpp_text.match_forward(text, i)
            kind = _kind(text[head:i])
            if kind == "scope":
                _scan(text, i + 1, close, lines, found)
            elif kind == "function":
                found.append(_function(text, head, i, close, lines))
            i = close
            if kind != "initialiser":
                head = i + 1
        i += 1


def _kind(head):
    """What a brace opens: 'scope', 'function' or 'initialiser' (the statement goes on)."""
    head = _without_template(head).strip()
    access = _ACCESS.match(head)
    head = head[access.end() :].strip() if access else head
    if head == "" or _NAMESPACE.search(head):
        return "scope"
    if _is_initialiser(head):
        return "initialiser"
    if _TYPE.search(head) and not re.search(r"\)\s*(const|noexcept|override|final|:|->|$)", head):
        return "scope"
    return "function" if "(" in head else "initialiser"


def _is_initialiser(head):
    """`x = {`, `auto v{`, or a member in a constructor's list: `: a_{`, `, b_{`."""
    if head[-1] in "=,":
        return True
    last = re.search(r"[A-Za-z_]\w*$", head)
    if not last or last.group(0) in ("const", "noexcept", "override", "final", "try", "requires"):
        return False
    if "(" not in head:
        return not _TYPE.search(head)
    after_parameters = head[head.find("(") :]
    return "->" not in after_parameters and bool(_INIT_LIST.search(head))


def _without_template(head):
    """Drops `template <...>`, whose parameters may say `class` or `(`."""
    match = _TEMPLATE.search(head)
    while match:
        depth, i = 1, match.end()
        while i < len(head) and depth:
            depth += {"<": 1, ">": -1}.get(head[i], 0)
            i += 1
        head = head[: match.start()] + head[i:]
        match = _TEMPLATE.search(head)
    return head


def _function(text, head, open_brace, close, lines):
    access = _ACCESS.match(text, head)
    start = cpp_text.after(text, access.end() if access else head)
    before_parameters = _without_template(text[start:open_brace]).partition("(")[0]
    names = re.findall(r"[~\w:]+", before_parameters)
    return Function(names[-1] if names else "?", lines.at(start), lines.at(close))
