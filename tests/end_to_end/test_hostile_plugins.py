"""Plugins that do harm: whatever they do, others run to the end beside them, and the culprit is named.

The plugins are in `tests/hostile_plugins`, as text: a tool that imported them by accident would be hurt.
Each host is a process of its own with a real executor, real workers and real distributions on its path.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.end_to_end.hostile_site import HOST, OUTPUT_MAX, PATIENCE_S, SOURCES, Site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


AT_LOAD = {
    "raises": "failed when it was imported: `ValueError: no good`",
    "exits": "failed when it was imported: `SystemExit: not on this machine`",
    "interrupts": "failed when it was imported: `KeyboardInterrupt`",
    "exits_hard": "in a process of its own: `it ended its host with exit code 0`",
    "hangs": "in a process of its own: `not finished after 10 s`",
    "spins": "in a process of its own: `not finished after 10 s`",
    "segfaults": "in a process of its own: `killed by SIGSEGV`",
    "aborts": "in a process of its own: `killed by SIGABRT`",
    "eats_memory": "failed when it was imported: `MemoryError`",
    "closes_stdout": "breaks the plugin contract: it closes or replaces the standard output of its host",
    "moves_away": "breaks the plugin contract: it changes the working directory of its host",
    "changes_environment": "breaks the plugin contract: it changes the environment variable `PATH`",
    "handles_signals": "breaks the plugin contract: it changes what its host does on SIGTERM",
    "patches_json": "breaks the plugin contract: it replaces `json.dumps` for everybody",
    "leaves_a_thread": "breaks the plugin contract: it leaves the thread `forever` running",
    "floods": "breaks the plugin contract: it prints 9",
    "is_a_class": "breaks the plugin contract: it is the class `plugin`",
    "is_nothing": "breaks the plugin contract: it has no `@hookimpl` method",
    "declares_without_end": "failed when it was asked what it declares: `MemoryError`",
    "declares_others": "breaks the plugin contract: its entry point is named `declares_others`, but it",
    "does_not_fit": "breaks the plugin contract: a hook implementation does not fit its hook",
}


def at_load(name: str) -> str:
    """A plugin that would work, but for what it does besides."""
    source = (SOURCES / "at_load" / f"{name}.py.txt").read_text()
    if "plugin" in source:
        return source
    return source + (SOURCES / "else_behaves.py.txt").read_text().replace("NAME", name)


DECLARING = (
    "resource_pools",
    "rate_limits",
    "literal_types",
    "event_sinks",
    "secret_sources",
    "log_links",
    "cli_commands",
    "importers",
)


def test_every_source_is_used() -> None:
    for folder, used in (("at_load", AT_LOAD), ("at_work", AT_WORK), ("at_all", AT_ALL)):
        assert {each.name.partition(".")[0] for each in (SOURCES / folder).iterdir()} == set(used)


ASK_ALL = """
    NAMES = json.loads(os.environ.get("NAMES", "null")) or json.loads(Path("names.json").read_text())
    with Executor(workers=1) as executor:
        with ThreadPoolExecutor(8) as threads:
            tried = threads.map(lambda name: said(lambda: executor.submit(flow_of(name), value=1)), NAMES)
            refusals = list(tried)
        ran = innocents(executor)
    print()
    print(json.dumps([dict(zip(NAMES, refusals)), ran]))
"""


def test_plugins_that_do_harm_when_they_are_loaded_are_refused_and_others_run(site: Site) -> None:
    expected = dict(AT_LOAD)
    for name in AT_LOAD:
        site.install(name, at_load(name), (name,))
    wrong = (SOURCES / "wrong_type.py.txt").read_text()
    for hook in DECLARING:
        site.install(f"wrong_{hook}", wrong.replace("HOOK", hook), (f"wrong_{hook}",))
        expected[f"wrong_{hook}"] = f"breaks the plugin contract: `{hook}` returned a `object`"
    site.install(
        "wrong_task_types",
        wrong.replace("wrong_HOOK", "x").replace("HOOK", "task_types"),
        ("wrong_task_types",),
    )
    expected["wrong_task_types"] = (
        "breaks the plugin contract: `task_types` returned a `object`, not a `TaskType`"
    )
    for name in ("twin_a", "twin_b"):
        site.install(name, (SOURCES / "at_load" / "segfaults.py.txt").read_text(), ("twin",))
    site.install("usurper", (SOURCES / "at_load" / "segfaults.py.txt").read_text(), ("python",))
    (site.folder / "names.json").write_text(json.dumps([*expected, "twin"]))

    (refusals, ran), printed = site.host(ASK_ALL)

    assert ran == [2, 2]
    assert len(printed) < OUTPUT_MAX
    for name, words in expected.items():
        assert refusals[name].startswith(f"Plugin `acme-{name}` 1.0 for `{name}` "), name
        assert words in refusals[name], name
    assert "is claimed by 2 installed plugins: `acme-twin_a` 1.0" in refusals["twin"]
    listed = site.listed()
    for name in expected:
        assert listed[f"acme-{name}"]["state"] == "quarantined"
        assert listed[f"acme-{name}"]["problem"] in refusals[name]
    assert listed["acme-twin_a"]["state"] == listed["acme-usurper"]["state"] == "duplicate"
    assert "`python` is built in; `acme-usurper`" in listed["acme-usurper"]["problem"]
    assert listed["acme-innocent"]["state"] == "installed"


FAILED, SUCCEEDED, RUNNING = "FAILED", "SUCCEEDED", "RUNNING"
AT_WORK = {
    "blocks_in_create": (RUNNING, "A call to task type `blocks_in_create` did not answer in 0.5 s"),
    "blocks_in_poll": (RUNNING, "A call to task type `blocks_in_poll-polls` did not answer in 0.5 s"),
    "exits_in_create": (FAILED, "A call to task type `exits_in_create` raised `SystemExit: 3` at create:"),
    "interrupts_in_poll": (RUNNING, "interrupts_in_poll does not answer polls: A call to task type"),
    "raises_what_cannot_be_printed": (
        FAILED,
        "`raises_what_cannot_be_printed` raised `Mute: <exception str()",
    ),
    "raises_what_cannot_be_kept": (
        FAILED,
        "A call to task type `raises_what_cannot_be_kept` raised `Odd: odd`",
    ),
    "raises_at_length": (FAILED, "xxxxxxxxxx"),
    "creates_no_reference": (FAILED, "`create` of task type `creates_no_reference` returned a `str`"),
    "creates_what_cannot_be_kept": (
        FAILED,
        "`creates_what_cannot_be_kept` returned a `JobRef` that cannot be",
    ),
    "prepares_nonsense": (FAILED, "task type `prepares_nonsense` returned a `Prepared` that cannot be kept"),
    "tells_of_strangers": (RUNNING, "task type tells_of_strangers returned statuses that are none"),
    "tells_wrong_phases": (RUNNING, "task type tells_wrong_phases returned statuses that are none"),
    "tells_a_mapping_that_raises": (RUNNING, "tells_a_mapping_that_raises does not answer polls: A call to"),
    "says_that_living_jobs_are_absent": ("", ""),
    "goes_back": (SUCCEEDED, ""),
    "returns_what_cannot_be_kept": (
        FAILED,
        "Task type `returns_what_cannot_be_kept` told a `Status` that cannot be",
    ),
    "returns_far_too_much": (
        FAILED,
        "Task type `returns_far_too_much` of node `returns_far_too_much`: has no",
    ),
    "logs_without_end": (SUCCEEDED, "hardpoint.plugins.logs_without_end has logged too much"),
    "leaks_threads": (SUCCEEDED, ""),
    "changes_its_arguments": (SUCCEEDED, ""),
    "moves_its_host": (SUCCEEDED, ""),
    "cannot_be_made": (
        FAILED,
        "Plugin `acme-cannot_be_made` 1.0 for `cannot_be_made` failed when its handler",
    ),
    "lacks_verbs": (FAILED, "Plugin `acme-lacks_verbs` 1.0 for `lacks_verbs` breaks the plugin contract"),
    "lies_in_its_stream": (FAILED, "Task type `lies_in_its_stream` told a `Status` that cannot be kept"),
    "exits_in_a_worker": (FAILED, "The task called `sys.exit(0)`"),
    "kills_its_worker": (FAILED, "Node `kills_its_worker` took its worker process with it"),
    "crashes_its_worker": (
        FAILED,
        "Node `crashes_its_worker` took its worker process with it, which was ended by",
    ),
    "prints_without_end": (SUCCEEDED, ""),
    "returns_objects_from_a_worker": (
        FAILED,
        "of type `returns_objects_from_a_worker` returned outputs that are",
    ),
    "breaks_its_worker": (SUCCEEDED, ""),
}
"""How a run of each ends, and what is said of it: by its error, or in the log of its host."""

WORK_ALL = """
    ENDS = json.loads(Path("ends.json").read_text())
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
    with Executor(workers=2) as executor:
        handles, told = {}, {}
        for name in ENDS:
            try:
                handles[name] = executor.submit(flow_of(name), value=1)
            except HardpointError as error:
                told[name] = ["REFUSED", str(error)]
        ran = [innocents(executor) for _ in range(3)]
        for name, handle in sorted(handles.items(), key=lambda item: not ENDS[item[0]]):
            try:
                outcome = handle.outcome(30 if ENDS[name] else 0.1)
                told[name] = [outcome.phase.value, outcome.error and outcome.error.message]
            except TimeoutError:
                told[name] = ["RUNNING", ""]
        ran += innocents(executor)
        executor.drain(1)
    print()
    print(json.dumps([told, ran]))
"""


def test_plugins_that_do_harm_at_work_hold_up_nobody_else(site: Site) -> None:
    base = (SOURCES / "job_base.py.txt").read_text()
    for name in AT_WORK:
        source = (SOURCES / "at_work" / f"{name}.py.txt").read_text()
        site.install(name, base.replace("NAME", name) + source, (name,))
    ends = {name: phase in (FAILED, SUCCEEDED) for name, (phase, _) in AT_WORK.items()}
    (site.folder / "ends.json").write_text(json.dumps(ends))

    (told, ran), printed = site.host(WORK_ALL)

    assert ran == [[2, 2], [2, 2], [2, 2], 2, 2]
    for name, (phase, words) in AT_WORK.items():
        found, message = told[name]
        assert found in (phase or (RUNNING, FAILED)), (name, message)
        assert words in (message or "") or words in printed, (name, message)
        assert len(message or "") <= 10_000
    assert len(printed) < OUTPUT_MAX
    logs = sum(file.stat().st_size for file in (site.folder / "home" / "logs").iterdir())
    assert logs < 40_000_000


AT_ALL = {
    "raises_at_import": "plugin `acme-raises_at_import` 1.0 is quarantined: ValueError: no good",
    "exits_at_import": "plugin `acme-exits_at_import` 1.0 is quarantined: it ended its host with exit code 0",
    "raises_when_told": "plugin acme-raises_when_told/acme_raises_when_told:plugin is passed over in `",
    "hangs_when_told": "",
    "changes_what_it_is_told": "",
    "swallows": "plugin acme-swallows/acme_swallows:plugin is passed over in `create_job`: it returned a",
    "raises_around": "plugin acme-raises_around/acme_raises_around:plugin is passed over in `poll_jobs`: it",
}
"""Extensions, which see what everybody does, and what the log of their host says of them."""

SEEN_BY_ALL = """
    logging.basicConfig(level=logging.WARNING, stream=sys.stdout)
    with Executor(workers=1) as executor:
        ran = [innocents(executor) for _ in range(3)]
        executor.drain(1)
    print()
    print(json.dumps(ran))
"""


def test_extensions_that_do_harm_cost_nobody_an_answer(site: Site) -> None:
    for name in AT_ALL:
        source = (SOURCES / "at_all" / f"{name}.py.txt").read_text()
        site.install(name, source, groups={"hardpoint.extensions": (name,)})
    ran, printed = site.host(SEEN_BY_ALL)
    assert ran == [[2, 2], [2, 2], [2, 2]]
    for words in AT_ALL.values():
        assert words in printed
    assert len(printed) < OUTPUT_MAX


def test_a_command_ends_though_a_plugin_left_threads_that_do_not(site: Site) -> None:
    base = (SOURCES / "job_base.py.txt").read_text().replace("NAME", "clings")
    site.install("clings", base + (SOURCES / "clings.py.txt").read_text(), ("clings",))
    (site.folder / "flow.py").write_text(HOST + "\nflow = flow_of('clings')\n")
    done = subprocess.run(
        [sys.executable, "-m", "hardpoint.executor.cli", "run", "flow.py", "flow", "--value", "1", "--json"],
        cwd=site.folder,
        env=site.environ(),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["phase"] == "SUCCEEDED"
