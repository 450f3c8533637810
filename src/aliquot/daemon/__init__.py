"""The loop that keeps a lab alive: watch, schedule, supervise, load."""

from aliquot.daemon.daemon import Daemon
from aliquot.daemon.summary import Summary
from aliquot.daemon.worker import Worker

__all__ = ["Daemon", "Summary", "Worker"]
