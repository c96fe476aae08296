"""The type system: which Python values cross a boundary between tasks, and how.

`codec_for(hint)` gives the codec of a type hint. Scalars, dates, enums, literals, unions, lists, dicts,
tuples and classes with typed fields travel as JSON; files, folders, arrays and tables by reference
through the store; anything else as `Pickled[T]`, where the author asks for it. What comes back equals
what went in, to the last bit and of the same class; a value that could not do so is refused.
"""

from hardpoint.core.types.codec import Codec
from hardpoint.core.types.errors import (
    BoundaryError,
    DecodeError,
    EncodeError,
    InputTextError,
    UnsupportedTypeError,
)
from hardpoint.core.types.hints import codec_for, documentation_of
from hardpoint.core.types.pickled import Pickled
from hardpoint.core.types.references import Directory, File

__all__ = [
    "BoundaryError",
    "Codec",
    "DecodeError",
    "Directory",
    "EncodeError",
    "File",
    "InputTextError",
    "Pickled",
    "UnsupportedTypeError",
    "codec_for",
    "documentation_of",
]
