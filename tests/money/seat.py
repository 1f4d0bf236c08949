"""A place that serves one client: an execution environment whose way to the database can fail."""

import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Self

import pymysql
from pymysql.cursors import Cursor

from local.servers.server import Server
from testkit.database import connect
from testkit.environments import Environment, EnvironmentKilledError, create_loan
from testkit.proxy import Action, Proxy
from testkit.service import Answer
from tests.money.faults import Event, Fault
from tests.money.wire import commits, connection_id

SOCKET_TIMEOUT_SECONDS = 5
"""The time after which a handler gives up on a reply."""

MAX_DELAY_SECONDS = 0.003
"""The longest time between a statement and its fault: about as long as a COMMIT takes."""

MAX_REQUEST_SECONDS = 0.03
"""About as long as a request takes."""

ON_THE_WAY = {
    Event.REQUEST_CUT: Action.CUT,
    Event.REPLY_CUT: Action.CUT_REPLY,
    Event.REQUEST_DROPPED: Action.DROP,
    Event.REPLY_DROPPED: Action.DROP_REPLY,
}


class RestartableServer:
    """A server that several seats may take down, one at a time."""

    def __init__(self, server: Server) -> None:
        """Take a running server."""
        self.server = server
        self._restarting = threading.Lock()

    def restart(self, end: Callable[[], None]) -> None:
        """End the server in this way and start it again."""
        with self._restarting:
            end()
            self.server.start()


class Seat:
    """Serves one request at a time, and makes one fault after another happen to it."""

    def __init__(self, stores: Mapping[str, str], mysql: RestartableServer, rng: random.Random) -> None:
        """Take the stores' variables, the server behind DB_*, and a source of random delays."""
        self._mysql = mysql
        self._rng = rng
        self._proxy = Proxy(mysql.server.host, mysql.server.port)
        self._proxy.on_request = self._on_request
        self._proxy.on_reply = self._on_reply
        self._direct = dict(stores)
        self._stores = self._direct | {"DB_PORT": str(self._proxy.port)}
        self._environment = Environment(self._stores)
        self._alive = True
        self._connection_id = 0
        self._faults: list[Fault] = []
        self._statements = 0
        self._under_way: list[threading.Thread] = []
        self.struck: list[Fault] = []
        """The faults that have happened to the request."""

    def begin(self, body: Mapping[str, object], key: str | None, faults: Iterable[Fault]) -> None:
        """Post a request with these faults on its way. Each counts statements from the previous one."""
        if not self._alive:
            self._environment.close()
            self._environment = Environment(self._stores)
            self._alive = True
        self._faults, self.struck, self._statements = list(faults), [], 0
        with suppress(EnvironmentKilledError):  # result() tells
            self._environment.begin(create_loan, body, key)
        if self._faults and self._faults[0].event is Event.HANDLER_KILLED_ANY_TIME:
            self._strike()

    def result(self) -> Answer | None:
        """Wait for the response; None if the handler was killed first."""
        try:
            answer: Answer | None = self._environment.result()
        except EnvironmentKilledError:
            self._alive = False
            answer = None
        self._faults.clear()
        for thread in self._under_way:
            thread.join()
        self._under_way.clear()
        return answer

    def _on_reply(self, piece: bytes) -> Action:
        self._connection_id = connection_id(piece) or self._connection_id
        return Action.PASS

    def _on_request(self, piece: bytes) -> Action:
        number, self._statements = self._statements, self._statements + 1
        if not self._faults:
            return Action.PASS
        at = self._faults[0].statement
        return self._strike() if (commits(piece) if at is None else number == at) else Action.PASS

    def _strike(self) -> Action:
        fault = self._faults.pop(0)
        self.struck.append(fault)
        self._statements = 0
        match fault.event:
            case Event.HANDLER_KILLED:
                self._environment.kill()
                time.sleep(self._rng.uniform(0, 2 * MAX_REQUEST_SECONDS))  # its statement arrives when others go on
                return self._rng.choice([Action.PASS, Action.CUT])
            case Event.HANDLER_KILLED_ANY_TIME:
                self._later(self._environment.kill, MAX_REQUEST_SECONDS)
            case Event.REQUEST_LATE:
                time.sleep(SOCKET_TIMEOUT_SECONDS + 0.3)
            case Event.CONNECTION_KILLED:
                self._kill("CONNECTION")
            case Event.QUERY_KILLED:
                self._kill("QUERY")
            case Event.SERVER_KILLED:
                self._later(lambda: self._mysql.restart(self._mysql.server.kill))
            case Event.SERVER_RESTARTED:
                self._later(lambda: self._mysql.restart(self._mysql.server.stop))
        return ON_THE_WAY.get(fault.event, Action.PASS)

    def _later(self, act: Callable[[], None], max_delay_seconds: float = MAX_DELAY_SECONDS) -> None:
        thread = threading.Timer(self._rng.uniform(0, max_delay_seconds), act)
        thread.start()
        self._under_way.append(thread)

    def _kill(self, what: str) -> None:
        """Have the server kill the handler's connection or its statement, shortly before or after the statement."""

        def kill(other: "pymysql.Connection[Cursor]") -> None:
            with suppress(pymysql.MySQLError), other, other.cursor() as cursor:  # it may have ended by itself
                cursor.execute(f"KILL {what} {self._connection_id}")

        with suppress(pymysql.MySQLError):  # the server may be down for another seat
            other = connect(self._direct)
            if self._rng.random() < 0.5:
                kill(other)
            else:
                self._later(partial(kill, other))

    def close(self) -> None:
        """End what was started."""
        self._environment.close()
        self._proxy.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
