"""Each alarm has a runbook, and the costs are calculated from the newest prices and sizes."""

import re

from deploy.costs import PAGE, page
from deploy.stages import ROOT, template

ALARMS = {
    name: resource["Properties"]["AlarmDescription"]
    for name, resource in template()["Resources"].items()
    if resource["Type"] == "AWS::CloudWatch::Alarm"
}


def test_each_alarm_has_a_runbook_and_names_it() -> None:
    written = re.findall(r"^## (\w+)$", (ROOT / "docs/runbooks.md").read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(written) == sorted(ALARMS)
    assert [name for name, said in ALARMS.items() if not said.endswith(f" docs/runbooks.md, {name}.")] == []


def test_the_costs_are_those_of_the_prices_and_the_stages() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "make costs"
