"""Which request is hit by which fault: by script first, then by the seed."""

from __future__ import annotations

import random
from fnmatch import fnmatchcase

import msgspec

from hardpoint.plugin_api.testing.jobservice.settings import Settings

NAMED_FAULTS = frozenset({"lost", "dup", "slow", "malformed", "cut"})


class ScriptedFault(msgspec.Struct, forbid_unknown_fields=True):
    """What happens to the next requests that match.

    Args:
        match: A glob over `VERB /path`, without the query: `POST /v1/jobs`, `GET *`, `*`; several with `|`.
        fault: `lost` (the effect happens, no answer), `cut` (no effect, no answer), `dup` (processed twice),
            `slow`, `malformed` (the effect happens, the answer is broken), or a status such as `503`
            (answered with it before any effect).
        times: How many matching requests it hits.
        skip: How many matching requests pass before that.
        retry_after_s: Sent as `Retry-After` with a status.

    >>> ScriptedFault("POST /v1/jobs", "vanish")
    Traceback (most recent call last):
    ...
    ValueError: No fault `vanish`; there are `cut`, `dup`, `lost`, `malformed`, `slow` and any HTTP status
    """

    match: str
    fault: str
    times: int = 1
    skip: int = 0
    retry_after_s: float | None = None

    def __post_init__(self) -> None:
        if self.fault not in NAMED_FAULTS and not (len(self.fault) == 3 and self.fault.isdigit()):
            known = ", ".join(f"`{name}`" for name in sorted(NAMED_FAULTS))
            raise ValueError(f"No fault `{self.fault}`; there are {known} and any HTTP status")


def matches(request: str, globs: str) -> bool:
    """Whether `VERB /path` fits one of the globs.

    >>> matches("DELETE /v1/jobs/j1", "POST /v1/jobs|DELETE *")
    True
    """
    return any(fnmatchcase(request, glob) for glob in globs.split("|"))


class Fault(msgspec.Struct, frozen=True):
    """The fault that hits one request; `name` as in `ScriptedFault.fault`."""

    name: str
    retry_after_s: float | None = None

    @property
    def status(self) -> int | None:
        """The HTTP status to answer with, before any effect."""
        return int(self.name) if self.name.isdigit() else None


class Faults:
    """Draws the fault of each request."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Not for secrets: the same seed must give the same run.
        self._random = random.Random(settings.seed)  # noqa: S311
        self._script: list[ScriptedFault] = []

    def configure(self, settings: Settings) -> None:
        """Use other settings from now on; the seed starts anew only if it changed."""
        if settings.seed != self._settings.seed:
            self._random.seed(settings.seed)
        self._settings = settings

    def script(self, faults: list[ScriptedFault]) -> None:
        """Add faults behind those already scripted."""
        self._script.extend(faults)

    def reset(self) -> None:
        """Forget the script and start the seed anew."""
        self._script.clear()
        self._random.seed(self._settings.seed)

    def jittered(self, seconds: float) -> float:
        """A latency, multiplied by the configured jitter."""
        jitter = self._settings.jitter
        return seconds * self._random.lognormvariate(0.0, jitter) if jitter and seconds else seconds

    def draw(self, request: str, age_s: float) -> Fault | None:
        """The fault for one request, `VERB /path`, `age_s` after the last change of settings."""
        if self._script:
            scripted = self._scripted(request)
            if scripted is not None:
                return scripted
        settings = self._settings
        if settings.outage_s and 0 <= age_s - settings.outage_after_s < settings.outage_s:
            return Fault("cut")
        if settings.flap_s and age_s % settings.flap_s > 0.9 * settings.flap_s:
            return Fault("503", retry_after_s=0.1 * settings.flap_s)
        return self._random_fault(request)

    def _scripted(self, request: str) -> Fault | None:
        for entry in self._script:
            if not matches(request, entry.match):
                continue
            if entry.skip > 0:
                entry.skip -= 1
                continue
            entry.times -= 1
            if entry.times <= 0:
                self._script.remove(entry)
            return Fault(entry.fault, entry.retry_after_s)
        return None

    def _random_fault(self, request: str) -> Fault | None:
        settings = self._settings
        odds = (
            ("500", settings.p_500),
            ("lost", settings.p_lost),
            ("dup", settings.p_dup),
            ("slow", settings.p_slow),
            ("malformed", settings.p_malformed),
        )
        if not any(p for _, p in odds) or not matches(request, settings.faults_on):
            return None
        drawn = self._random.random()
        for name, p in odds:
            if drawn < p:
                return Fault(name)
            drawn -= p
        return None
