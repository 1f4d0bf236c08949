"""The README's curl lines get the responses that it shows."""

import re
import shlex
import subprocess
from pathlib import Path

from local.servers.server import Server
from testkit.database import own_database
from testkit.served import served

README = Path(__file__).parents[2] / "README.md"
PRINTED_ADDRESS = "http://127.0.0.1:3000"


def test_the_curl_lines_answer_as_printed(
    mysql_environment: dict[str, str], redis_server: Server, tmp_path: Path
) -> None:
    printed = re.findall(r"^\$ (curl .*)\n(.*)$", README.read_text(encoding="utf-8"), flags=re.MULTILINE)

    with (
        own_database(mysql_environment, "readme") as database,
        served(database.environment | redis_server.environment, tmp_path) as address,
    ):
        commands = [shlex.split(command.replace(PRINTED_ADDRESS, address)) for command, _ in printed]
        answers = [subprocess.run(c, capture_output=True, text=True, check=True).stdout for c in commands]

    assert len(printed) >= 6
    assert [dateless(answer) for answer in answers] == [dateless(answer) for _, answer in printed]


def dateless(answer: str) -> str:
    """Return an answer without its dates: a loan starts on the day on which it is made."""
    return re.sub(r'"\d{4}-\d\d-\d\d"', "a date", answer)
