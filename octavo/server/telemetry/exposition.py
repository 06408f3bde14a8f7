"""Exposition: what was counted, in Prometheus' own text, whenever it is asked for."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from octavo.server.backend.service import Service
from octavo.server.telemetry import metric_names as names
from octavo.server.telemetry.metric_names import METRICS, Metric
from octavo.server.telemetry.metrics import Metrics

# Whatever a scraper would rather have: in OpenMetrics the library writes the colon of our names as an underscore.
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
Samples = Mapping[tuple[str, ...], float]
"""A metric's values by those of its own labels."""


class Exposition(Collector):
    """One application's metrics under ``prefix``, in a registry of their own, labelled with ``model_name``.

    Numbers are read when they are asked for: none is kept here. ``traced`` counts the outputs that a trace recorded or
    lost, None where there is no trace.
    """

    def __init__(
        self,
        service: Service,
        metrics: Metrics,
        *,
        model_name: str,
        prefix: str = "octavo",
        traced: Mapping[str, int] | None = None,
    ) -> None:
        self._service, self._metrics, self._prefix, self._traced = service, metrics, prefix, traced
        self._labels = {"model_name": model_name, "engine": "0"}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def render(self) -> bytes:
        """The text, of type ``CONTENT_TYPE``."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Family]:
        """Every metric as it stands now."""
        values = {**self._of_engine(), **self._of_requests(), **self._of_experts()}
        for metric in METRICS:
            if metric.kind == "histogram":
                yield self._histogram(metric)
            elif metric.name in values:
                yield self._family(metric, values[metric.name])

    def describe(self) -> list[Family]:
        """Nothing: names are this collector's alone."""
        return []

    def _of_engine(self) -> dict[str, Samples]:
        load = self._service.load
        found: dict[str, Samples] = {
            names.RUNNING.name: {(): load.running},
            names.WAITING.name: {(): load.waiting},
            names.CACHE_USAGE.name: {(): load.pages_used / max(load.pages_total, 1)},
            names.PREEMPTIONS.name: {(): load.preemptions},
            names.FAILED_STEPS.name: {(): load.failed_steps},
            names.LEAKED.name: {(): load.pages_leaked},
            names.PREFIX_QUERIES.name: {(): load.prefix_queries},
            names.PREFIX_HITS.name: {(): load.prefix_hits},
        }
        if self._service.state in ("ready", "draining"):
            facts = self._service.facts
            cache = (str(facts.page_size), str(facts.num_pages), facts.dtype, str(facts.max_model_len))
            found[names.CACHE_CONFIG.name] = {cache: 1}
        return found

    def _of_requests(self) -> dict[str, Samples]:
        metrics = self._metrics
        found: dict[str, Samples] = {
            names.PROMPT_TOKENS.name: {(): metrics.prompt_tokens},
            names.GENERATION_TOKENS.name: {(): metrics.generation_tokens},
            names.FINISHED.name: {(reason,): count for reason, count in metrics.finished.items()},
            names.REJECTED.name: {(reason,): count for reason, count in metrics.rejected.items()},
        }
        if self._traced is not None:
            found[names.TRACED.name] = {(outcome,): count for outcome, count in self._traced.items()}
        return found

    def _of_experts(self) -> dict[str, Samples]:
        stats = self._metrics.stats
        selections: Samples = {
            (str(layer), str(expert)): float(count)
            for layer, count_E in enumerate(stats.selections_LE)
            for expert, count in enumerate(count_E)
        }
        late = stats.of_late()
        measured: dict[str, dict[tuple[str, ...], float | None]] = {
            names.ENTROPY.name: {(str(each.layer),): each.entropy_bits for each in late},
            names.LOAD_CV.name: {(str(each.layer),): each.cv for each in late},
            names.MAX_VIOLATION.name: {(str(each.layer),): each.max_violation for each in late},
        }
        # Where nothing was counted of late there is no measure, and so no sample.
        known: dict[str, Samples] = {
            name: {labels: value for labels, value in samples.items() if value is not None}
            for name, samples in measured.items()
        }
        return {names.SELECTIONS.name: selections, **known}

    def _family(self, metric: Metric, samples: Samples) -> Family:
        make = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
        family = make(f"{self._prefix}:{metric.name}", metric.says, labels=(*self._labels, *metric.labels))
        for labels, value in samples.items():
            family.add_metric((*self._labels.values(), *labels), value)
        return family

    def _histogram(self, metric: Metric) -> Family:
        found = self._metrics.distributions[metric.name]
        family = HistogramMetricFamily(f"{self._prefix}:{metric.name}", metric.says, labels=tuple(self._labels))
        family.add_metric(tuple(self._labels.values()), buckets=found.buckets(), sum_value=found.total)
        return family
