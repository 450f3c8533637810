"""Traces by OpenTelemetry, where the environment names a collector; otherwise none, and nothing is imported."""

import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from aliquot import __version__
from aliquot.model.errors import Invalid, Unavailable

_NAMED = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")

Values = Mapping[str, str | int | float | bool]


class Traces:
    """Takes spans, and sends them by a thread of its own; a collector that is away holds nothing up."""

    def __init__(self, tracer: Any) -> None:
        self._tracer = tracer

    @contextmanager
    def request(self, name: str, headers: Mapping[str, str], values: Values) -> "Generator[Request]":
        """Trace a request, as a part of what its caller traces if it says so (`traceparent`)."""
        from opentelemetry.trace import SpanKind
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        outer = TraceContextTextMapPropagator().extract(dict(headers))
        attributes = dict(values)
        with self._tracer.start_as_current_span(
            name, outer, kind=SpanKind.SERVER, attributes=attributes, record_exception=False
        ) as span:
            yield Request(span)

    def note(self, name: str, began: float, ended: float, values: Values, within: Any = None) -> Any:
        """Tell of what is over; times are seconds since 1970. Gives what further spans may be `within`."""
        from opentelemetry.trace import set_span_in_context

        span = self._tracer.start_span(name, within, attributes=dict(values), start_time=int(began * 1e9))
        if values.get("aliquot.failed"):
            span.set_status(_error())
        span.end(int(max(began, ended) * 1e9))
        return set_span_in_context(span)


class Request:
    """The span of a request that is under way."""

    def __init__(self, span: Any) -> None:
        self._span = span

    def end(self, name: str, status: int, values: Values) -> None:
        """Say what it was, once that is known."""
        self._span.update_name(name)
        self._span.set_attributes({"http.response.status_code": status, **values})
        if status >= 500:
            self._span.set_status(_error())


_traces: Traces | None = None


def traces() -> Traces | None:
    """Give what takes spans; None: nobody wants them."""
    return _traces


@contextmanager
def tracing(service: str) -> Generator[None]:
    """Send traces for as long as the context is open, where the environment names a collector.

    The variables are OpenTelemetry's own; `service` is what it calls itself unless OTEL_SERVICE_NAME says otherwise.
    """
    global _traces  # noqa: PLW0603  # one for the process, as OpenTelemetry has it, too
    if _traces is not None or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        yield
        return
    if not any(os.environ.get(each) for each in _NAMED):
        yield
        return
    provider = _provider(service)
    _traces = Traces(provider.get_tracer("aliquot", __version__))
    try:
        yield
    finally:
        _traces = None
        # It sends what it has, and waits for the collector for as long as the exporter's own time limit.
        provider.shutdown()


def _provider(service: str) -> Any:
    if not find_spec("opentelemetry.sdk") or not find_spec("opentelemetry.exporter.otlp.proto.http"):
        words = "The environment names a collector of traces; get what sends them with: pip install 'aliquot[otel]'"
        raise Unavailable("extra-missing", words)
    protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
    if protocol not in {None, "", "http/protobuf"}:
        words = f"Traces are sent as http/protobuf, not as {protocol}; change OTEL_EXPORTER_OTLP_PROTOCOL."
        raise Invalid("trace-protocol-refused", words, protocol=protocol)
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or service, "service.version": __version__}
    provider = TracerProvider(resource=Resource.create(named), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider


def _error() -> Any:
    from opentelemetry.trace import Status, StatusCode

    return Status(StatusCode.ERROR)
