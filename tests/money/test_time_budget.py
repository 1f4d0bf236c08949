"""A request with too little of the function's time left begins nothing; seen over HTTP."""

from functools import partial

import pytest

from local.front import application
from local.front.lambda_context import LambdaContext
from testkit.proxy import Action, Proxy
from tests.money.borrowers import APPLICATION
from tests.money.conftest import CUSTOMER
from tests.money.http_front import Client


def test_with_less_than_three_seconds_left_no_transaction_begins(
    client: Client, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    def note(piece: bytes) -> Action:
        asked.append(piece)
        return Action.PASS

    proxy.on_request = note
    monkeypatch.setattr(application, "LambdaContext", partial(LambdaContext, timeout_seconds=2.9))

    answer = client.create_loan({"customer_id": CUSTOMER} | APPLICATION)

    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.body["type"] == "/problems/store-unavailable"
    assert asked == []
