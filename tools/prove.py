"""Run the long proofs in shards, resume where the last run stopped, and write down what was found.

A proof is a table in `tests/prove/proofs.toml`:

    [plugin-isolation]
    title = "A plugin that fails in any way at import takes no other with it"
    command = ["tests/prove/plugin_isolation.py"]
    shards = 9

The command runs once for each shard, with Python, and `--shard I --shards N --out FILE`. It writes a JSON
object of whole numbers and texts to FILE and ends with 0 if the shard held. Finished shards are kept under
`.prove/<proof>/<commit>/`; other files start over. When every shard held, `docs/evidence/<proof>.json`
and `.md` are written, with the numbers of all shards added up, and a table of what they gave as `row`.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
import json
import os
import platform
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Proof:
    """A claim, and the command that tries to break it."""

    name: str
    title: str
    command: tuple[str, ...]
    shards: int


@dataclass(frozen=True, slots=True)
class Source:
    """What is being proved.

    Args:
        commit: `unknown` outside a clone.
        changes: Digest of what differs from the commit; empty for nothing.
    """

    commit: str
    changes: str

    @property
    def label(self) -> str:
        """Name of the folder that keeps finished shards: the same only for the same files."""
        return f"{self.commit}-{self.changes}" if self.changes else self.commit


def proofs(root: Path) -> list[Proof]:
    """Every registered proof."""
    tables = tomllib.loads((root / "tests" / "prove" / "proofs.toml").read_text(encoding="utf-8"))
    return [
        Proof(name, each["title"], tuple(each["command"]), each.get("shards", 1))
        for name, each in tables.items()
    ]


def source(root: Path) -> Source:
    """The commit of the working tree, and what differs from it."""

    def git(*arguments: str) -> bytes:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, check=False)
        return done.stdout if done.returncode == 0 else b""

    commit = git("rev-parse", "HEAD").decode().strip()
    # Evidence is written by the proofs themselves, so it does not make the tree a different one.
    paths = ("--", ".", ":!docs/evidence")
    changes = git("diff", "HEAD", *paths)
    for name in git("ls-files", "--others", "--exclude-standard", "-z", *paths).decode().split("\0"):
        if name:
            changes += name.encode() + (root / name).read_bytes()
    return Source(commit or "unknown", hashlib.sha256(changes).hexdigest()[:12] if changes else "")


def run_shard(proof: Proof, shard: int, root: Path, folder: Path) -> str:
    """Run one shard; return what went wrong, empty if it held. Its result appears in `folder` only then."""
    final = folder / f"{shard}.json"
    draft = folder / f"{shard}.part"
    started = time.monotonic()
    done = subprocess.run(
        [
            sys.executable,
            *proof.command,
            "--shard",
            str(shard),
            "--shards",
            str(proof.shards),
            "--out",
            str(draft),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return f"{proof.name} shard {shard}: exit code {done.returncode}\n{done.stdout}{done.stderr}"
    try:
        found = json.loads(draft.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"{proof.name} shard {shard}: no result, {error}"
    found["seconds"] = round(time.monotonic() - started, 1)
    draft.write_text(json.dumps(found), encoding="utf-8")
    draft.rename(final)
    return ""


def run_proof(proof: Proof, root: Path, tree: Source, jobs: int) -> bool:
    """Run what is left of one proof; write the evidence if all of it held."""
    folder = root / ".prove" / proof.name / tree.label
    folder.mkdir(parents=True, exist_ok=True)
    left = [shard for shard in range(proof.shards) if not (folder / f"{shard}.json").exists()]
    print(f"{proof.name}: {proof.shards - len(left)} of {proof.shards} shards done before", flush=True)
    held = True
    with ThreadPoolExecutor(jobs) as threads:
        futures = {threads.submit(run_shard, proof, shard, root, folder): shard for shard in left}
        for future in as_completed(futures):
            problem = future.result()
            held = held and not problem
            print(problem or f"{proof.name}: shard {futures[future]} held", flush=True)
    if held:
        shards = [
            json.loads((folder / f"{shard}.json").read_text(encoding="utf-8"))
            for shard in range(proof.shards)
        ]
        write_evidence(proof, tree, shards, root / "docs" / "evidence")
    return held


def write_evidence(proof: Proof, tree: Source, shards: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Write `<proof>.json` and `<proof>.md`."""
    keys = sorted({key for shard in shards for key, value in shard.items() if isinstance(value, int | float)})
    totals = {key: round(sum(shard.get(key, 0) for shard in shards), 1) for key in keys}
    evidence = {
        "proof": proof.name,
        "title": proof.title,
        "commit": tree.commit,
        "changes": tree.changes,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "totals": totals,
        "shards": list(shards),
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{proof.name}.json").write_text(json.dumps(evidence, indent=1) + "\n", encoding="utf-8")
    changed = ", with changes that are not committed" if tree.changes else ""
    rows = "\n".join(f"| {key.replace('_', ' ')} | {value:,} |" for key, value in totals.items())
    results = _table([shard["row"] for shard in shards if "row" in shard])
    (folder / f"{proof.name}.md").write_text(
        f"# {proof.title}\n\n"
        f"Held in {len(shards)} of {proof.shards} shards. Commit `{tree.commit[:12]}`{changed}, "
        f"{evidence['date']}, Python {evidence['python']}, {evidence['cpus']} CPUs. "
        f"Run it with `make prove`; the numbers of each shard are in `{proof.name}.json`.\n\n"
        f"| counted | total |\n|---|---:|\n{rows}\n{results}",
        encoding="utf-8",
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys, as Markdown; what cannot be said, such as a count of nothing, is empty."""
    if not rows:
        return ""
    lines = [
        list(rows[0]),
        ["---", *["---:"] * (len(rows[0]) - 1)],
        *(map(str, each.values()) for each in rows),
    ]
    return "\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(arguments: Sequence[str]) -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("only", nargs="*", help="names of proofs; default: all")
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="shards at a time")
    options = parser.parse_args(arguments)
    known = proofs(options.root)
    unknown = set(options.only) - {proof.name for proof in known}
    if unknown:
        parser.error(
            f"no such proof: {', '.join(sorted(unknown))}; known: {', '.join(p.name for p in known)}"
        )
    tree = source(options.root)
    chosen = [proof for proof in known if not options.only or proof.name in options.only]
    results = [run_proof(proof, options.root, tree, options.jobs) for proof in chosen]
    print(f"{sum(results)} of {len(results)} proofs held at {tree.label}")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
