#!/usr/bin/env bash
# A log that Python's logging sends by fluent-logger has host, logger and module, but no level, unless a format is configured: a warning and an error look alike.
# A message that is JSON becomes the record's fields, so a text of a user can be its level. The time is cut to seconds.
# Seen with fluent-logger 0.11.1.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check fluent-logger==0.11.1 msgpack==1.1.2
cat >finding.py <<'PY'
import logging, socket, threading
import msgpack
from fluent import handler

server = socket.create_server(('127.0.0.1', 0))
seen = msgpack.Unpacker()

def read():
    connection, _ = server.accept()
    while data := connection.recv(65536):
        seen.feed(data)

reader = threading.Thread(target=read)
reader.start()
out = handler.FluentHandler('app', port=server.getsockname()[1])
out.setFormatter(handler.FluentRecordFormatter())
log = logging.getLogger('shop')
log.addHandler(out)
log.warning('payment slow')
log.error('payment failed')
log.error('{"level": "info", "user": "guest"}')
out.close()
reader.join(20)
for tag, at, record in seen:
    record.pop('sys_host'), record.pop('sys_module')
    print(type(at).__name__, record)
PY
venv/bin/python finding.py | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
int {'sys_name': 'shop', 'message': 'payment slow'}
int {'sys_name': 'shop', 'message': 'payment failed'}
int {'sys_name': 'shop', 'level': 'info', 'user': 'guest'}
OUT
