"""Records which process started which servers, so that a later run can stop the servers of a killed one."""

import shutil
from pathlib import Path

import psutil

from local.servers import container
from local.servers.process import find_process, stop_recorded
from local.servers.programs import STATE, only_one

# One folder for each process that starts servers, named by its pid and start time. It holds or links their folders.
OWNERS = STATE / "servers" / "owners"


def own_folder() -> Path:
    """Return this process's folder. The first call makes it, and stops the servers that ended processes left."""
    me = psutil.Process()
    folder = OWNERS / f"{me.pid}-{me.create_time()}"
    if not folder.exists():
        stop_orphans()
        folder.mkdir(parents=True)
    return folder


def own(folder: Path) -> None:
    """Record that the server in `folder` is to end with this process."""
    mine = own_folder()
    if mine not in folder.parents:
        (mine / f"{len(list(mine.iterdir()))}").symlink_to(folder.resolve())


def disown_all() -> None:
    """Forget the servers of this process, and remove the server folders that lie in its own folder."""
    shutil.rmtree(own_folder())


def stop_all_in(parent: Path) -> None:
    """Stop every server whose folder lies or is linked in `parent`."""
    for folder in parent.iterdir():
        stop_recorded(folder)
        container.remove_recorded(folder)


def stop_orphans() -> None:
    """Stop the servers that ended processes left running."""
    if not OWNERS.exists():
        return
    with only_one("owners"):
        for folder in OWNERS.iterdir():
            pid, _, created = folder.name.partition("-")
            if find_process(int(pid), float(created)) is None:
                stop_all_in(folder)
                shutil.rmtree(folder)
