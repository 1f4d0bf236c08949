"""Runs a built function as Lambda does, without Docker, in AWS's Runtime Interface Emulator.

The emulator comes with aws-sam-cli, only for Linux. It turns HTTP calls into events of the Runtime API. awslambdaric,
the real runtime client, asks that API for the next event, as in the managed runtime.
"""

import http.client
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[1]
EMULATORS = ".local/sam/lib/python3*/site-packages/samcli/local/rapid"
INVOCATIONS = "/2015-03-31/functions/function/invocations"

HOST = "127.0.0.1"
READY_TIMEOUT_SECONDS = 10
FUNCTION_TIMEOUT_SECONDS = 10  # of the API's functions in template.yaml
STOP_TIMEOUT_SECONDS = 5


class FunctionError(Exception):
    """The function raised, timed out or did not load; the message comes from the emulator."""


class Emulator:
    """One execution environment of a built function. It takes one call at a time; a second one would end it."""

    def __init__(
        self,
        function: str,
        environment: Mapping[str, str],
        build: Path,
        *,
        handler: str = "app.lambda_handler",
        timeout_seconds: int = FUNCTION_TIMEOUT_SECONDS,
    ) -> None:
        """Describe the environment; entering the context starts it.

        Args:
            function: The function's name in the template.
            environment: Its variables. It sees nothing of this process's own environment.
            build: The folder that `sam build` wrote.
            handler: Module and name of its handler.
            timeout_seconds: The function's timeout in the template.
        """
        self._handler = handler
        self._timeout_seconds = timeout_seconds
        self._folder = build / function
        self._environment = {
            "PATH": os.defpath,
            # The layer comes before this Python's own packages, as /opt/python comes before the runtime's.
            "PYTHONPATH": str(build / "CommonLayer/python"),
            "PYTHONDONTWRITEBYTECODE": "1",  # a function cannot write where its code is
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "AWS_LAMBDA_FUNCTION_TIMEOUT": str(timeout_seconds),
            **environment,
        }
        self._port = 0
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it. The first call loads the function itself."""
        self._port = _free_port()
        command = [
            str(_emulator()),
            *("--log-level", "error"),
            *("--runtime-interface-emulator-address", f"{HOST}:{self._port}"),
            *("--runtime-api-address", f"{HOST}:{_free_port()}"),
            *(sys.executable, "-m", "awslambdaric", self._handler),
        ]
        self._process = subprocess.Popen(
            command, cwd=self._folder, env=self._environment, stdout=self._log, stderr=self._log
        )
        self._wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it, and the function with it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(STOP_TIMEOUT_SECONDS)
        self._log.close()

    def invoke(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return the function's answer to an event; no answer is an empty one.

        Raises:
            FunctionError: It did not answer.
        """
        connection = http.client.HTTPConnection(HOST, self._port, timeout=self._timeout_seconds + 5)
        try:
            connection.request("POST", INVOCATIONS, json.dumps(event))
            answer = connection.getresponse().read().decode()
        finally:
            connection.close()
        try:
            response = json.loads(answer) or {}
        except json.JSONDecodeError:
            raise FunctionError(answer) from None
        if "errorType" in response:
            raise FunctionError(answer)
        return dict(response)

    def log(self) -> str:
        """Return the output of the function and the emulator."""
        self._log.seek(0)
        return self._log.read().decode()

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_SECONDS
        while True:
            try:
                socket.create_connection((HOST, self._port)).close()
            except OSError:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"The emulator does not listen:\n{self.log()}") from None
                time.sleep(0.02)
            else:
                return


def _emulator() -> Path:
    architecture = "arm64" if platform.machine() in {"aarch64", "arm64"} else "x86_64"
    return next(ROOT.glob(f"{EMULATORS}/aws-lambda-rie-{architecture}"))


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        return int(listener.getsockname()[1])
