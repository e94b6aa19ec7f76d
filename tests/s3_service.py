"""An S3 on the loopback address for tests: prints its port, ends when its standard input does.

Run as a process, so that nothing of it is imported beside what is tested.
"""

import logging
import sys

from moto.server import ThreadedMotoServer


def main() -> None:
    """Serves until whoever started it is gone."""
    logging.getLogger("werkzeug").disabled = True
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    sys.stdin.read()
    server.stop()


if __name__ == "__main__":
    main()
