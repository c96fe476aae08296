"""Classes that a plugin carries across boundaries: found by an entry point, loaded when a hint names one.

An entry point in the group `hardpoint.types` is named like the class and names the plugin object:

    [project.entry-points."hardpoint.types"]
    "shapely.geometry.point:Point" = "hardpoint_shapely:plugin"

The registry is not asked: workflows compile, and workers run Python functions, without it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import Any

from hardpoint.core.types.codec import Codec
from hardpoint.core.types.errors import (
    DecodeError,
    EncodeError,
    UnsupportedTypeError,
    short_repr,
    show_hint,
    wrong_value,
    wrong_wire,
)
from hardpoint.plugin_api import (
    API_VERSION,
    HardpointError,
    LiteralCodec,
    LiteralType,
    Store,
    Wire,
)
from hardpoint.plugin_api.literal_rules import problem

GROUP = "hardpoint.types"
_API_GROUP = "hardpoint.api"
_SAFE_MODE = "HARDPOINT_SAFE_MODE"


def foreign_codec(cls: type) -> Codec | None:
    """The codec that an installed plugin has for a class; None if none claims it.

    Raises:
        UnsupportedTypeError: Several plugins claim the class, or the one that does cannot be used.
    """
    python = f"{cls.__module__}:{cls.__qualname__}"
    match list(_claims(python)):
        case []:
            return None
        case [only]:
            plugin = f"`{only.dist.name}` {only.dist.version}" if only.dist else f"`{only.value}`"
            return _Values(cls, _declared(cls, python, only, plugin), plugin).codec()
        case several:
            names = [each.dist.name for each in several if each.dist]
            raise UnsupportedTypeError(
                show_hint(cls),
                use=f"Keep one of the plugins that claim it, `{'` and `'.join(names)}`, "
                f"for example with `pip uninstall {names[-1]}`",
            )


def _claims(python: str) -> Iterator[EntryPoint]:
    seen: set[str] = set()
    for distribution in distributions():
        try:
            if f"[{GROUP}]" not in (distribution.read_text("entry_points.txt") or ""):
                continue
            name = re.sub(r"[-_.]+", "-", distribution.name).lower()
            found = list(distribution.entry_points)
        except Exception:  # noqa: S112 - damaged metadata of one distribution must not hide the others
            continue
        # An editable install may lie on the path twice; Python imports the first: that one counts.
        if name not in seen:
            seen.add(name)
            yield from (each for each in found if each.group == GROUP and each.name == python)


def _declared(cls: type, python: str, claim: EntryPoint, plugin: str) -> LiteralCodec:
    if os.environ.get(_SAFE_MODE, "").strip() not in ("", "0"):
        raise _unusable(
            cls, plugin, "is denied by safe mode", use=f"Leave out `--safe-mode` and `{_SAFE_MODE}`"
        )
    if claim.dist is not None and not _is_for_this_api(claim.dist):
        host = ".".join(map(str, API_VERSION))
        raise _unusable(cls, plugin, f"is not written for plugin API {host}")
    try:
        declared = [each for each in _asked(claim) if each.python == python]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a vendor SDK that exits on a missing library must not end the program
        raise _unusable(cls, plugin, f"failed: `{type(error).__name__}: {error}`") from error
    if len(declared) != 1:
        raise _unusable(cls, plugin, f"declares {len(declared)} literal types for `{python}`")
    if not isinstance(declared[0].type, LiteralType):
        raise _unusable(cls, plugin, f"gives `{short_repr(declared[0].type)}` for its type")
    return declared[0]


def _asked(claim: EntryPoint) -> Iterable[LiteralCodec]:
    declared = list(claim.load().literal_types())
    wrong = next((each for each in declared if not isinstance(each, LiteralCodec)), None)
    if wrong is not None:
        raise TypeError(f"`literal_types` returned a `{type(wrong).__name__}`, not a `LiteralCodec`")
    return declared


def _is_for_this_api(distribution: Distribution) -> bool:
    """As the registry decides it: the major version is ours, and the minor at most ours."""
    major, minor = API_VERSION
    floors = (each.name.partition(".") for each in distribution.entry_points if each.group == _API_GROUP)
    return any(a == str(major) and b.isdecimal() and int(b) <= minor for a, _, b in floors)


def _unusable(
    cls: type, plugin: str, why: str, *, use: str = "Upgrade or uninstall it"
) -> UnsupportedTypeError:
    return UnsupportedTypeError(show_hint(cls), use=f"{use}: plugin {plugin}, which claims the type, {why}")


class _Values:
    """Encodes and decodes the values of one class as its plugin does it, and holds the plugin to its word."""

    def __init__(self, cls: type, declared: LiteralCodec, plugin: str) -> None:
        self.cls = cls
        self._shown = show_hint(cls)
        self._declared = declared
        self._plugin = plugin

    def encode(self, value: Any, store: Store) -> Wire:
        if not isinstance(value, self.cls):
            raise wrong_value(self._shown, value)
        try:
            wire = self._declared.encode(value, store)
        except HardpointError:
            raise
        except Exception as error:
            raise EncodeError(
                f"Plugin {self._plugin} cannot encode {self._shown} {short_repr(value)}: {_said(error)}",
                hint="Pass a value that it can encode; a fault of the plugin is its author's to correct",
            ) from error
        wrong = problem(self._declared.type, wire)
        if wrong is not None:
            raise self._faulty(EncodeError, f"encoded {short_repr(value)} as {short_repr(wire)}: {wrong}")
        return wire

    def decode(self, wire: Wire, store: Store) -> Any:
        if problem(self._declared.type, wire) is not None:
            raise wrong_wire(self._declared.type, wire)
        try:
            value = self._declared.decode(wire, store)
        except HardpointError:
            raise
        except Exception as error:
            raise DecodeError(
                f"Plugin {self._plugin} cannot read {short_repr(wire)} as {self._shown}: {_said(error)}",
                hint=f"Give a `{self._declared.type}` that stands for a `{self._shown}`, "
                "or use the version of the plugin that wrote it",
            ) from error
        if not isinstance(value, self.cls):
            as_what = f"a `{show_hint(type(value))}`, not a `{self._shown}`"
            raise self._faulty(DecodeError, f"read {short_repr(wire)} as {as_what}")
        return value

    def codec(self) -> Codec:
        return Codec(
            self._declared.type,
            self.encode,
            self.decode,
            lambda value: isinstance(value, self.cls),
            frozenset(),
        )

    def _faulty(self, kind: type[EncodeError | DecodeError], what: str) -> EncodeError | DecodeError:
        return kind(
            f"Plugin {self._plugin} {what}", hint="This is a fault of the plugin: report it to its author"
        )


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
