#!/usr/bin/env bash
# The logging handler of OpenTelemetry's SDK for Python sends a dict that is the message of a log as an object. If a value in it is no plain type, such as a Decimal or a date, the exporter drops the whole batch: the logs before and after it are lost too.
# Under `extra` the same values become text, and nothing is lost. The newer handler of opentelemetry-instrumentation-logging sends the dict as text in Python's notation, with single quotes.
# Seen with opentelemetry-sdk 1.45.2, its OTLP exporter, and opentelemetry-instrumentation-logging 0.66b2.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check opentelemetry-sdk==1.45.2 opentelemetry-exporter-otlp-proto-http==1.45.2 opentelemetry-instrumentation-logging==0.66b2
cat >finding.py <<'PY'
import gzip, http.server, logging, threading
from decimal import Decimal
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.instrumentation.logging.handler import LoggingHandler as NewHandler
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

arrived, last = 0, None

class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global arrived, last
        body = self.rfile.read(int(self.headers['content-length']))
        if self.headers.get('content-encoding') == 'gzip':
            body = gzip.decompress(body)
        request = ExportLogsServiceRequest.FromString(body)
        arrived += sum(len(s.log_records) for r in request.resource_logs for s in r.scope_logs)
        last = request.resource_logs[-1].scope_logs[-1].log_records[-1].body
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args):
        pass

server = http.server.HTTPServer(('127.0.0.1', 0), Collector)
threading.Thread(target=server.serve_forever, daemon=True).start()
provider = LoggerProvider()
provider.add_log_record_processor(BatchLogRecordProcessor(
    OTLPLogExporter(endpoint=f'http://127.0.0.1:{server.server_port}/v1/logs')))
log = logging.getLogger('shop')
log.propagate = False

def send(name, handler, message, extra=None):
    global arrived
    arrived = 0
    log.handlers = [handler(logger_provider=provider)]
    for n in range(10):
        log.error('login failed %d', n)
    log.error(message, extra=extra)
    provider.force_flush()
    print(f'{name}: {arrived} of 11 logs', last.WhichOneof('value') if arrived else '-')

amount = Decimal('9.50')
send('text', LoggingHandler, 'refund')
send('under extra', LoggingHandler, 'refund', {'amount': amount})
send('dict', LoggingHandler, {'event': 'refund', 'amount': 9.5})
send('dict with a Decimal', LoggingHandler, {'event': 'refund', 'amount': amount})
send('the same, new handler', NewHandler, {'event': 'refund', 'amount': amount})
PY
venv/bin/python finding.py 2>/dev/null | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
text: 11 of 11 logs string_value
under extra: 11 of 11 logs string_value
dict: 11 of 11 logs kvlist_value
dict with a Decimal: 0 of 11 logs -
the same, new handler: 11 of 11 logs string_value
OUT
