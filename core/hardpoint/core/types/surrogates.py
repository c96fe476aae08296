"""Text that JSON cannot hold: lone surrogates, as in file names that are not UTF-8.

UTF-8 has no form for a code point from U+D800 to U+DFFF. On the wire such a character becomes the
noncharacter U+FDD0, which Unicode keeps free for internal use, and four hex digits; U+FDD0 itself
becomes U+FDD0 and `fdd0`. Every other text is left as it is.
"""

from __future__ import annotations

import re

_MARK = "\ufdd0"
_TO_ESCAPE = re.compile("[\ud800-\udfff\ufdd0]")
_ESCAPED = re.compile("\ufdd0(d[89a-f][0-9a-f]{2}|fdd0)")


def escape(text: str) -> str:
    """Text that UTF-8 can hold.

    >>> escape("naïve")
    'naïve'
    >>> escape("\\udc80").encode()
    b'\\xef\\xb7\\x90dc80'
    """
    if text.isascii():
        return text
    return _TO_ESCAPE.sub(lambda found: f"{_MARK}{ord(found[0]):04x}", text)


def unescape(text: str) -> str:
    """What `escape` was given.

    >>> unescape(escape("a\\udc80\\ufdd0")) == "a\\udc80\\ufdd0"
    True
    """
    if text.isascii() or _MARK not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)
