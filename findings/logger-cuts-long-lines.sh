#!/usr/bin/env bash
# logger of util-linux sends at most 1,024 characters of a line: of its standard input the rest follows in further messages, of an argument it is lost.
# A line of JSON in a script that ends in "| logger" so arrives as several records, none of which is JSON.
# Seen with util-linux 2.38.1 (Debian 12). --size raises the limit.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
cat >finding.py <<'PY'
import socket, subprocess

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(('127.0.0.1', 0))
server.settimeout(2)
line = '{"level": "error", "message": "' + 'x' * 2000 + '"}'

def sent(*args, **how):
    to = ['logger', '--rfc3164', '-n', '127.0.0.1', '-d', '-P', str(server.getsockname()[1]), '-t', 'shop']
    subprocess.run([*to, *args], check=True, **how)
    sizes = []
    try:
        while True:
            sizes.append(len(server.recv(65536).split(b'shop: ', 1)[1]))
    except TimeoutError:
        return sizes

print(len(line), 'by standard input:', sent(input=line + '\n', text=True))
print(len(line), 'by argument:', sent('--', line))
print(len(line), 'by argument, with --size:', sent('--size', '8192', '--', line))
PY
python3 finding.py | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
2033 by standard input: [1024, 1009]
2033 by argument: [1024]
2033 by argument, with --size: [2033]
OUT
