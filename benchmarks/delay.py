"""A proxy in a process of its own that holds each reply of a server for a while, as the network of a VPC does.

python -m benchmarks.delay HOST PORT MILLISECONDS     prints the port to connect to; ends with its input
"""

import sys

from testkit.proxy import Proxy


def main() -> None:
    """Delay until the input ends."""
    host, port, milliseconds = sys.argv[1:]
    proxy = Proxy(host, int(port))
    proxy.delay(float(milliseconds) / 1000)
    print(proxy.port, flush=True)
    sys.stdin.read()
    proxy.close()


if __name__ == "__main__":
    main()
