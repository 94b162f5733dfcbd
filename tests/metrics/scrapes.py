"""A scrape, read by Prometheus' own parser."""

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """The metrics of a server at a moment."""

    def __init__(self, text: str) -> None:
        self.families: dict[str, Metric] = {
            family.name: family
            for family in text_string_to_metric_families(text)
            if not family.name.endswith("_created")
        }

    def series(self) -> dict[str, set[str]]:
        """The labels of each series, by the name that an expression calls it by."""
        found: dict[str, set[str]] = {}
        for family in self.families.values():
            for sample in family.samples:
                found.setdefault(sample.name, set()).update(sample.labels)
        return found

    def values(self, family: str, label: str) -> set[str]:
        return {sample.labels[label] for sample in self._samples(family) if label in sample.labels}

    def value(self, sample: str, **labels: str) -> float | None:
        """The value of a series, None where there is none."""
        for family in self.families.values():
            for each in family.samples:
                if each.name == sample and each.labels == labels:
                    return each.value
        return None

    def _samples(self, family: str):
        return self.families[family].samples if family in self.families else ()
