"""Numbers for Prometheus: of the server's own requests, and of the lab as the catalogue has it."""

import time
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from aliquot.lab import Lab
from aliquot.lab.kept import Kept
from aliquot.lab.queue import LastHour, last_hour, queue
from aliquot.model.errors import AliquotError
from aliquot.server.live.broadcast import Broadcast
from aliquot.server.reach import reach_database, reach_store

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Counts of this process, and a look at the catalogue for each scrape."""

    def __init__(self, lab: Lab, broadcast: Broadcast) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "aliquot_requests", "Requests by route and status.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "aliquot_request_seconds", "Time to the end of the answer.", ("route",), buckets=_BUCKETS,
            registry=self._registry,
        )  # fmt: skip
        self._registry.register(_OfLab(lab, broadcast))

    def note_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; `route` is its path as it was registered."""
        self._requests.labels(method, route, status).inc()
        # A stream is open for as long as its page.
        if route != "/events/stream":
            self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """Give everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _OfLab:
    def __init__(self, lab: Lab, broadcast: Broadcast) -> None:
        self._lab = lab
        self._broadcast = broadcast
        # An hour's sums change little in the seconds for which they are kept where they are dear.
        self._hour = Kept(self._look_at_hour)

    def _look_at_hour(self) -> LastHour:
        with self._lab.catalogue.read() as connection:
            return last_hour(connection, time.time())

    def describe(self) -> list[Metric]:
        """Say nothing before a scrape: registering must not read the catalogue."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Look at the lab."""
        yield GaugeMetricFamily("aliquot_streams", "Pages that wait for events.", self._broadcast.streams)
        up = GaugeMetricFamily("aliquot_reachable", "1 where it answers.", labels=["part"])
        latency = GaugeMetricFamily("aliquot_latency_seconds", "Time of the smallest question.", labels=["part"])
        for part, found in (("database", reach_database(self._lab)), ("store", reach_store(self._lab))):
            up.add_metric([part], float(found.ok))
            latency.add_metric([part], found.seconds)
        yield up
        yield latency
        try:
            yield from self._queue()
        except AliquotError:
            # `aliquot_reachable` says so already; a scrape has to end.
            return

    def _queue(self) -> Iterator[Metric]:
        with self._lab.catalogue.read() as connection:
            found = queue(connection, time.time())
        hour = self._hour.look().answer
        tasks = GaugeMetricFamily("aliquot_tasks", "Tasks of runs that have not ended.", labels=["state", "pool"])
        for line in found.tasks:
            tasks.add_metric([line.state, line.pool], line.tasks)
        yield tasks
        runs = GaugeMetricFamily("aliquot_runs", "Runs that have not ended.", labels=["state"])
        for state, number in found.runs.items():
            runs.add_metric([state], number)
        yield runs
        causes = GaugeMetricFamily("aliquot_failed_tasks", "Tasks that failed in the last day.", labels=["cause"])
        for cause, number in found.causes.items():
            causes.add_metric([cause], number)
        yield causes
        for what, number in found.totals.items():
            yield CounterMetricFamily(
                f"aliquot_all_{what}", f"All {what.replace('_', ' ')} that there ever were.", number
            )
        over = CounterMetricFamily("aliquot_runs_ended", "Runs that have ended.", labels=["state"])
        for state, number in found.ended_runs.items():
            over.add_metric([state], number)
        yield over
        ended = GaugeMetricFamily("aliquot_tasks_ended_last_hour", "By how they ended.", labels=["state"])
        for state, number in hour.ended.items():
            ended.add_metric([state], number)
        yield ended
        ages = GaugeMetricFamily("aliquot_oldest_seconds", "Age of what waits longest.", labels=["what"])
        for what, seconds in found.ages.items():
            ages.add_metric([what], seconds)
        yield ages
        yield GaugeMetricFamily("aliquot_quarantine_waiting", "Files that wait for a person.", found.quarantine)
        yield GaugeMetricFamily("aliquot_loads_waiting", "Loads that wait for the hub.", found.loads)
        used = GaugeMetricFamily("aliquot_task_seconds_last_hour", "Of attempts that ended.", labels=["kind"])
        for kind, seconds in hour.used.items():
            used.add_metric([kind], seconds)
        yield used
