"""The version of a function covers what it uses in its project, and nothing that moves."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from hardpoint.core.compile_errors import IdentityError
from hardpoint.core.loading import load_module
from hardpoint.core.project import project_root
from hardpoint.core.source import function_version


@pytest.fixture(autouse=True)
def _import_state() -> Iterator[None]:
    modules, path = set(sys.modules), list(sys.path)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    sys.path[:] = path


Load = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load `flow.py` with other files, each time as a project in a folder of its own."""
    count = 0

    def make(flow: str, **files: str) -> ModuleType:
        nonlocal count
        count += 1
        folder = tmp_path / f"p{count}"
        folder.mkdir()
        (folder / "pyproject.toml").write_text("")
        for name, text in files.items():
            file = folder / f"{name.replace('__', '/', 1)}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(text)
        (folder / "flow.py").write_text(flow)
        return load_module(folder / "flow.py")

    return make


TWICE = """
import functools
def twice(g):
    @functools.wraps(g)
    def inner(x): return g(g(x))
    return inner
"""

MAPPED = """
import functools
from hardpoint.core import map_task, task
@task
def add(x: int, y: int) -> int: return x + y
g = map_task(functools.partial(add, x=1), min_successes=1)
"""

# (flow, files before, files after): whether the version of `f` differs
USES: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "a helper of a helper": (
        "from a import g\ndef f(x): return g(x)\n",
        {"a": "from b import h\ndef g(x): return h(x)\n", "b": "def h(x): return x\n"},
        {"a": "from b import h\ndef g(x): return h(x)\n", "b": "def h(x): return x + 1\n"},
    ),
    "helpers that call each other": (
        "import a\ndef f(x): return a.even(x)\n",
        {"a": "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n != 0 and even(n - 1)\n"},
        {"a": "def even(n): return n == 0 or odd(n - 1)\ndef odd(n): return n > 0 and even(n - 1)\n"},
    ),
    "a base class": (
        "from a import B\ndef f(x): return B().go(x)\n",
        {"a": "class A:\n    def go(self, x): return x\nclass B(A):\n    pass\n"},
        {"a": "class A:\n    def go(self, x): return -x\nclass B(A):\n    pass\n"},
    ),
    "a method's helper": (
        "from a import A\ndef f(x): return A().go(x)\n",
        {"a": "def h(x): return x\nclass A:\n    def go(self, x): return h(x)\n"},
        {"a": "def h(x): return -x\nclass A:\n    def go(self, x): return h(x)\n"},
    ),
    "the class of a constant": (
        "from a import IT\ndef f(x): return IT.go(x)\n",
        {"a": "class A:\n    def go(self, x): return x\nIT = A()\n"},
        {"a": "class A:\n    def go(self, x): return -x\nIT = A()\n"},
    ),
    "a constant": ("from a import N\ndef f(x): return x + N\n", {"a": "N = [1]"}, {"a": "N = [2]"}),
    "a module's constant": ("import a\ndef f(x): return x + a.N\n", {"a": "N = 1"}, {"a": "N = 2"}),
    "a module itself": ("import a\ndef f(x): return getattr(a, x)\n", {"a": "N = 1"}, {"a": "N = 2"}),
    "an import inside": (
        "def f(x):\n    from pkg.a import g\n    return g(x)\n",
        {"pkg__a": "from . import b\ndef g(x): return b.N\n", "pkg__b": "N = 1"},
        {"pkg__a": "from . import b\ndef g(x): return b.N\n", "pkg__b": "N = 2"},
    ),
    "a module in a package": (
        "import pkg.a\ndef f(x): return pkg.a.g(x)\n",
        {"pkg____init__": "", "pkg__a": "def g(x): return x\n"},
        {"pkg____init__": "", "pkg__a": "def g(x): return -x\n"},
    ),
    "a decorator": (
        "from a import twice\n@twice\ndef f(x): return x\n",
        {"a": TWICE},
        {"a": TWICE.replace("g(g(x))", "g(x)")},
    ),
    "a closure's content": (
        "from a import add\ndef f(x): return add(x)\n",
        {"a": "def adder(n):\n    def add(x): return x + n\n    return add\nadd = adder(1)\n"},
        {"a": "def adder(n):\n    def add(x): return x + n\n    return add\nadd = adder(2)\n"},
    ),
    "a cached function": (
        "from a import g\ndef f(x): return g(x)\n",
        {"a": "import functools\n@functools.lru_cache\ndef g(x): return x\n"},
        {"a": "import functools\n@functools.lru_cache\ndef g(x): return -x\n"},
    ),
    "a partial": (
        "from a import g\ndef f(x): return g(x)\n",
        {"a": "import functools\ng = functools.partial(pow, 2)\n"},
        {"a": "import functools\ng = functools.partial(pow, 3)\n"},
    ),
    "a lambda": (
        "from a import g\ndef f(x): return g(x)\n",
        {"a": "g = lambda x: x\n"},
        {"a": "g = lambda x: -x\n"},
    ),
    "another task": (
        "from a import g\ndef f(x): return g(x)\n",
        {"a": "from hardpoint.core import task\n@task\ndef g(x: int) -> int: return x\n"},
        {"a": "from hardpoint.core import task\n@task\ndef g(x: int) -> int: return -x\n"},
    ),
    "a map of another task": (
        "from a import g\ndef f(x): return g(y=[1])\n",
        {"a": MAPPED},
        {"a": MAPPED.replace("x + y", "x - y")},
    ),
    "what a map binds": (
        "from a import g\ndef f(x): return g(y=[1])\n",
        {"a": MAPPED},
        {"a": MAPPED.replace("x=1", "x=2")},
    ),
    "how many items of a map must succeed": (
        "from a import g\ndef f(x): return g(y=[1])\n",
        {"a": MAPPED},
        {"a": MAPPED.replace("min_successes=1", "min_successes=2")},
    ),
    "an enum member": (
        "from a import C\nIT = C.RED\ndef f(x): return IT\n",
        {"a": "import enum\nclass C(enum.Enum):\n    RED = 1\n"},
        {"a": "import enum\nclass C(enum.Enum):\n    RED = 2\n"},
    ),
}


@pytest.mark.parametrize("case", USES)
def test_what_is_used_counts(load: Load, case: str) -> None:
    flow, before, after = USES[case]
    first, again, changed = load(flow, **before), load(flow, **before), load(flow, **after)
    assert function_version(first.f) == function_version(again.f)
    assert function_version(first.f) != function_version(changed.f)


PLACES = "import pathlib\nHERE = pathlib.Path(__file__).parent\nTEXT = str(HERE)\n"

# (flow before, flow after): the version of `f` stays
MOVES = {
    "blank lines above": ("def f(x): return x\n", "\n\n\nX = 1\n\ndef f(x): return x\n"),
    "what it does not use": ("def f(x): return x\n", "def f(x): return x\ndef g(x): return x\n"),
    "a local of a global's name": ("N = 1\ndef f(N): return N\n", "N = 2\ndef f(N): return N\n"),
    "where the project lies": (
        PLACES + "def f(x): return HERE / TEXT\n",
        PLACES + "\ndef f(x): return HERE / TEXT\n",
    ),
    "an object's address": (
        "IT = object()\ndef f(x): return IT\n",
        "IT = object()\n\ndef f(x): return IT\n",
    ),
    "order in a set": (
        "S = {'a', 'b', 'c'}\ndef f(x): return S\n",
        "S = {'c', 'b', 'a'}\ndef f(x): return S\n",
    ),
}


@pytest.mark.parametrize("case", MOVES)
def test_what_is_not_used_does_not_count(load: Load, case: str) -> None:
    before, after = MOVES[case]
    assert function_version(load(before).f) == function_version(load(after).f)


def test_functions_that_share_a_decorator_have_versions_of_their_own(load: Load) -> None:
    module = load(
        "import functools\n"
        "def same(g):\n    @functools.wraps(g)\n    def inner(x): return g(x)\n    return inner\n"
        "@same\ndef f(x): return x\n"
        "@same\ndef g(x): return -x\n"
    )
    assert function_version(module.f) != function_version(module.g)


def test_installed_packages_count_by_name(load: Load) -> None:
    module = load("import msgspec\nfrom json import dumps\ndef f(x): return dumps(msgspec.to_builtins(x))\n")
    assert len(function_version(module.f)) == 64


def test_a_file_that_was_edited_since(tmp_path: Path) -> None:
    file = tmp_path / "flow.py"
    file.write_text("def f(x): return x\n")
    module = load_module(file)
    file.write_text("# new first line\ndef f(x): return x\n")
    with pytest.raises(IdentityError) as caught:
        function_version(module.f)
    assert str(caught.value) == (
        "The source of `f` is not where it was imported from\n"
        f"  --> {file}:1\n\n"
        "hint: The file was edited or removed since; start again so that it is imported anew"
    )


def test_it_is_computed_once(load: Load) -> None:
    module = load("def f(x): return x\n")
    version = function_version(module.f)
    Path(str(module.__file__)).unlink()
    assert function_version(module.f) == version


class TestProjectRoot:
    @pytest.mark.parametrize("marker", ["pyproject.toml", "setup.py", "setup.cfg", ".git", "hardpoint.toml"])
    def test_nearest_marker(self, tmp_path: Path, marker: str) -> None:
        inner = tmp_path / "a" / "b"
        inner.mkdir(parents=True)
        (tmp_path / "pyproject.toml").write_text("")
        (tmp_path / "a" / marker).write_text("")
        assert project_root(inner / "flow.py") == tmp_path / "a"

    def test_without_marker_the_own_folder(self, tmp_path: Path) -> None:
        assert project_root(tmp_path / "a" / "flow.py") == tmp_path / "a"

    def test_installed(self, tmp_path: Path) -> None:
        (tmp_path / "pyproject.toml").write_text("")
        site = tmp_path / ".venv" / "lib" / "site-packages"
        assert project_root(site / "pkg" / "mod.py") == site
