"""A supervisor as a program of its own, for tests: `python supervisor_program.py CATALOGUE STORE WORK`.

It says `ready`, waits for a line, works until no run is left, and says `done`.
"""

import sys
from pathlib import Path

import structlog

from aliquot.blobs import open_store
from aliquot.db import open_catalogue
from aliquot.engine.supervise import Supervisor
from aliquot.executors.process import ProcessExecutor
from aliquot.model.errors import Unavailable


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    url, place, work = sys.argv[1:]
    catalogue, store = open_catalogue(url), open_store(place)
    executor = ProcessExecutor(store, Path(work), 2)
    supervisor = Supervisor(catalogue, store, lambda _: executor)
    print("ready", flush=True)
    sys.stdin.readline()
    supervisor.open()
    idle = False
    while not idle:
        try:
            if not supervisor.cycle():
                idle = supervisor.idle()
                supervisor.wait(0.05)
        except Unavailable as error:
            print(error.message, file=sys.stderr)
            supervisor.wait(0.2)
    supervisor.close()
    executor.close()
    catalogue.close()
    print("done", flush=True)


if __name__ == "__main__":
    main()
