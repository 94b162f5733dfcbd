"""The dashboard and the alerts ask only for metrics and labels that a server has."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
RULES = DEPLOY / "prometheus-rules.yml"
DASHBOARD = DEPLOY / "grafana" / "sora2api.json"

SCRAPED = {"instance", "job"}
"""What Prometheus itself puts on each series, and `up` with them."""
WORDS = {
    *("sum", "min", "max", "rate", "increase", "histogram_quantile", "topk", "vector", "label_values"),
    *("by", "or", "and", "unless", "on", "without"),
}
TEXT = re.compile(r'"[^"]*"')
LENGTH = re.compile(r"\[[^\]]*\]")
SELECTOR = re.compile(r"(\w+)\{([^}]*)\}")
GROUPING = re.compile(r"\b(?:by|without|on)\s*\(([^)]*)\)")
NAME = re.compile(r"[A-Za-z_]\w*")


def dashboard() -> Iterator[str]:
    board = json.loads(DASHBOARD.read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield target["expr"]


def alerts() -> Iterator[str]:
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["expr"]


def offences(expression: str, series: dict[str, set[str]]) -> list[str]:
    """The names and labels in an *expression* that no series of the server has."""
    known = {"up": SCRAPED} | {name: labels | SCRAPED for name, labels in series.items()}
    bare = LENGTH.sub("", TEXT.sub('""', expression))
    found = []
    used: set[str] = set()
    for name, matchers in SELECTOR.findall(bare):
        labels = set(re.findall(r"(\w+)\s*(?:=|!)", matchers))
        used |= known.get(name, set())
        found += [f"{name}{{{label}}}" for label in labels - known.get(name, labels)]
    groups = [label.strip() for group in GROUPING.findall(bare) for label in group.split(",")]
    rest = GROUPING.sub("", re.sub(r"\{[^}]*\}", "", bare))
    named = set(NAME.findall(rest)) - WORDS
    used |= {label for name in named for label in known.get(name, ())}
    return found + sorted(named - known.keys()) + [f"by {label}" for label in groups if label not in used]


@pytest.mark.parametrize("expression", [*dashboard(), *alerts()])
def test_an_expression_asks_for_what_a_server_tells(expression, scrape):
    assert offences(expression, scrape.series()) == []


@pytest.mark.parametrize(
    ("expression", "offence"),
    [
        ("sum(sora2api_queue_lenght)", "sora2api_queue_lenght"),
        ('sora2api_jobs{status="queued"}', "sora2api_jobs{status}"),
        ("sum by (account) (sora2api_accounts)", "by account"),
        ("histogram_quantile(0.5, sum by (le) (rate(sora2api_request_seconds[5m])))", "sora2api_request_seconds"),
    ],
)
def test_an_expression_that_is_wrong_is_found(expression, offence, scrape):
    assert offence in offences(expression, scrape.series())


def test_every_metric_of_ours_is_on_the_dashboard(scrape):
    shown = "\n".join(dashboard())

    assert [name for name in scrape.families if name.startswith("sora2api_") and name not in shown] == []


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_reads_the_alerts_and_each_expression_of_the_dashboard(tmp_path):
    plain = [re.sub(r"\$__rate_interval", "5m", expression) for expression in dashboard()]
    rules = [{"record": f"shown:{number}", "expr": expression} for number, expression in enumerate(plain)]
    board = tmp_path / "dashboard.yml"
    board.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))

    checked = subprocess.run(["promtool", "check", "rules", RULES, board], capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr
