"""Ask the service in this container one of its health routes; exit 0 when the answer is 200, else 1.

    ask_health.py /livez

Runs every few seconds in each container, so it uses no HTTP library, whose import would cost ten times the request.
"""

import os
import socket
import sys

TIMEOUT_SECONDS = 2.5


def main() -> int:
    port = int(os.environ[f"{os.environ['SERVICE'].upper()}_PORT"])
    request = f"GET {sys.argv[1]} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_SECONDS) as connection:
            connection.sendall(request.encode())
            answer = connection.makefile("rb").read(4096)
    except OSError as error:
        sys.stderr.write(f"no answer on port {port}: {error}\n")
        return 1
    head, _, body = answer.decode(errors="replace").partition("\r\n\r\n")
    sys.stdout.write(f"{head.splitlines()[0] if head else 'no status line'} {body}\n")
    return 0 if head.startswith("HTTP/1.1 200 ") else 1


if __name__ == "__main__":
    sys.exit(main())
