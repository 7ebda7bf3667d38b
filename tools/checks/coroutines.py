"""Rules that keep gcc 12 from miscompiling coroutines.

gcc 12.2 destroys some temporaries of an expression with co_await twice:
captures of lambdas, aggregates, and the arms of a class-typed ?: (each was
reproduced as an invalid free). It cannot be told from text which braces make
an aggregate and which ?: is of class type, so the rules are stricter than the
compiler's faults, and precise:

  In a statement that contains co_await there is no lambda with captures, no
  brace but that of a capture-less lambda's body, and no ?:. A lambda with
  captures is never itself a coroutine (its captures die before its frame).

The way out is always the same: make a named local, std::move it; a named
function with by-value parameters instead of the lambda.

A statement reaches from the `;`, `{` or `}` before the co_await to the next
`;`, or over the parentheses of if, while, for and switch. What stands inside a
lambda's body is a statement of its own.
"""

import re

from checks import cpp_text

_AWAIT = re.compile(r"\bco_(?:await|return|yield)\b")
_CO_AWAIT = re.compile(r"\bco_await\b")
_CONTROL = {"if", "while", "for", "switch", "constexpr", "catch"}
_BEFORE_BODY = {"else", "do", "try", "const", "noexcept", "override", "final", "mutable"}
_TRAILING_RETURN = re.compile(r"\)\s*(?:const\s*|noexcept\s*|mutable\s*)*->[^=(]*$")
_SCOPE = re.compile(r"\b(?:namespace|class|struct|union|enum)\b[^=(]*$")


def problems(blanked):
    """Yields (offset, text) for each breach in a blanked file."""
    text = cpp_text.blank_directives(blanked)
    if not _AWAIT.search(text):
        return
    lambdas = _find_lambdas(text)
    yield from _coroutine_lambdas(text, lambdas)
    statements = _Statements(text, lambdas)
    for begin, end in sorted({statements.around(m.start()) for m in _CO_AWAIT.finditer(text)}):
        yield from _statement_problems(text, begin, end, lambdas)


class _Statements:
    """Finds the statement around an offset."""

    def __init__(self, text, lambdas):
        self._text = text
        self._bodies = {body: cpp_text.match_forward(text, body) for _, _, body in lambdas}

    def around(self, offset):
        inside = [b for b in self._bodies.items() if b[0] < offset < b[1]]
        lower, upper = max(inside) if inside else (-1, len(self._text))
        begin = self._begin(offset, lower)
        opening = cpp_text.before(self._text, begin)
        if opening == begin - 1 and self._text[opening : begin] == "(":
            return begin, cpp_text.match_forward(self._text, opening)
        return begin, self._end(offset, upper)

    def _begin(self, offset, lower):
        text, i = self._text, offset - 1
        while i > lower:
            char = text[i]
            if char == ";" or char == "{" and self._is_block(i):
                return i + 1
            if char == "(" and cpp_text.word_before(text, i) in _CONTROL:
                return i + 1
            if char in ")]}":
                opening = cpp_text.match_backward(text, i)
                if char == "}" and opening not in self._bodies and self._is_block(opening):
                    return i + 1
                if char == ")" and cpp_text.word_before(text, opening) in _CONTROL:
                    return i + 1
                i = opening
            i -= 1
        return lower + 1

    def _end(self, offset, upper):
        text, i = self._text, offset
        while i < upper and text[i] != ";":
            if text[i] in "([{":
                i = cpp_text.match_forward(text, i)
            elif text[i] == "}" and self._is_block(cpp_text.match_backward(text, i)):
                break
            i += 1
        return i

    def _is_block(self, brace):
        """Whether a `{` opens a block (a body) rather than an initialiser."""
        text = self._text
        i = cpp_text.before(text, brace)
        if i < 0 or text[i] in ");{}:]":
            return True
        if cpp_text.word_before(text, brace) in _BEFORE_BODY:
            return True
        head = text[max(text.rfind(c, 0, brace) for c in ";{}") + 1 : brace]
        return bool(_TRAILING_RETURN.search(head) or _SCOPE.search(head))


def _find_lambdas(text):
    """(offset of `[`, has captures, offset of the body's `{`) of each lambda."""
    found = []
    for match in re.finditer(r"\[", text):
        start = match.start()
        close = cpp_text.match_forward(text, start)
        if not _opens_lambda(text, start):
            continue
        i = cpp_text.after(text, close + 1)
        if i < len(text) and text[i] == "<":
            i = cpp_text.after(text, text.find(">", i) + 1)
        if i < len(text) and text[i] == "(":
            i = cpp_text.after(text, cpp_text.match_forward(text, i) + 1)
        body = re.compile(r"(?:mutable|noexcept|constexpr|\s|->[^{;]*)*\{").match(text, i)
        if body:
            found.append((start, text[start + 1 : close].strip() != "", body.end() - 1))
    return found


def _opens_lambda(text, start):
    """Tells a lambda from a subscript, an attribute and a structured binding."""
    if text[start : start + 2] == "[[" or text[start - 1 : start] == "[":
        return False
    word = cpp_text.word_before(text, start)
    if word:
        return word in ("return", "co_return", "co_await", "co_yield", "case")
    previous = text[cpp_text.before(text, start)]
    return previous not in ")]&*" or (
        previous in "&*" and not re.search(r"\bauto\s*[&*]+\s*$", text[:start])
    )


def _coroutine_lambdas(text, lambdas):
    for start, captures, body in lambdas:
        if not captures:
            continue
        inner = text[body : cpp_text.match_forward(text, body) + 1]
        for _, _, nested in lambdas:
            if body < nested < body + len(inner):
                end = cpp_text.match_forward(text, nested)
                inner = inner[: nested - body] + " " * (end - nested) + inner[end - body :]
        if _AWAIT.search(inner):
            yield start, "a lambda with captures is a coroutine: name a function, pass by value"


def _statement_problems(text, begin, end, lambdas):
    bodies = {body: captures for _, captures, body in lambdas}
    for start, captures, _ in lambdas:
        if begin <= start < end and captures:
            yield start, "a lambda with captures in a statement with co_await: name a function"
    i = begin
    while i < end:
        if text[i] == "{":
            if i not in bodies:
                yield i, "a brace in a statement with co_await: make a named local, std::move it"
            i = cpp_text.match_forward(text, i)
        elif text[i] == "?":
            yield i, "?: in a statement with co_await: use if and a named local"
        i += 1
