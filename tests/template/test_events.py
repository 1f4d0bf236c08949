"""The sample events have the form of API Gateway's, and there is one for every kind of response."""

import base64
import json
from http import HTTPStatus

import pytest

from local.sam.sample_events import FOLDER, SAMPLE_EVENTS, SampleEvent
from testkit.template import routes


def test_every_file_is_listed_once() -> None:
    assert sorted(file.stem for file in FOLDER.iterdir()) == sorted(event.name for event in SAMPLE_EVENTS)


def test_each_function_has_one_that_succeeds_and_some_that_fail() -> None:
    for name in set(routes().values()):
        statuses = [event.statuses for event in SAMPLE_EVENTS if event.function == name]
        assert any(HTTPStatus.OK in each for each in statuses)
        assert any(HTTPStatus.UNPROCESSABLE_ENTITY in each for each in statuses)
        assert any(HTTPStatus.NOT_FOUND in each for each in statuses)


@pytest.mark.parametrize("sample", SAMPLE_EVENTS, ids=lambda sample: sample.name)
def test_an_event_goes_to_the_function_of_its_route(sample: SampleEvent) -> None:
    event = sample.load()

    assert routes()[event["routeKey"]] == sample.function


@pytest.mark.parametrize("sample", SAMPLE_EVENTS, ids=lambda sample: sample.name)
def test_an_event_says_twice_what_api_gateway_says_twice(sample: SampleEvent) -> None:
    event = sample.load()
    context = event["requestContext"]

    assert event["version"] == "2.0"
    assert context["routeKey"] == event["routeKey"]
    assert event["routeKey"] in {f"{context['http']['method']} {context['http']['path']}", "$default"}
    assert (event["routeKey"] == "$default") == (f"{context['http']['method']} {event['rawPath']}" not in routes())
    assert context["http"]["path"] == event["rawPath"]
    assert context["http"]["userAgent"] == event["headers"]["user-agent"]
    assert context["domainName"] == event["headers"]["host"]
    assert len(_body(event)) == int(event["headers"].get("content-length", 0))
    assert [name for name in event["headers"] if name != name.lower()] == []


def test_the_base64_event_carries_the_same_body_as_the_plain_one() -> None:
    plain, encoded = (
        next(event.load() for event in SAMPLE_EVENTS if event.name == name)
        for name in ("check_eligibility", "check_eligibility_base64")
    )

    assert encoded["isBase64Encoded"]
    assert json.loads(_body(encoded)) == json.loads(plain["body"])


def _body(event: dict[str, str]) -> bytes:
    body = event.get("body", "")
    return base64.b64decode(body) if event["isBase64Encoded"] else body.encode()
