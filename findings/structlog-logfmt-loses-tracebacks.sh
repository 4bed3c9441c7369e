#!/usr/bin/env bash
# structlog's logfmt renderer drops the exception: `log.exception` leaves the bare key exc_info, and no class, text or traceback.
# The JSON renderer does the same with a boolean. The processor format_exc_info has to be configured for either, and nothing says so at run time.
# Seen with structlog 26.1.0. A rule over exception.class sees nothing of such a service; `exc_info:*` matches.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install -q --disable-pip-version-check structlog==26.1.0
cat >finding.py <<'PY'
import io, structlog

seen = []
for renderer in (structlog.processors.LogfmtRenderer(), structlog.processors.JSONRenderer()):
    out = io.StringIO()
    log = structlog.wrap_logger(structlog.PrintLogger(out), processors=[structlog.processors.add_log_level, renderer])
    try:
        raise ValueError('card refused')
    except ValueError:
        log.exception('payment failed')
    print(out.getvalue(), end='')
    seen.append(out.getvalue().strip())
if seen != ['exc_info event="payment failed" level=error',
            '{"exc_info": true, "event": "payment failed", "level": "error"}']:
    raise SystemExit(f'CHANGED: {seen}')
PY
venv/bin/python finding.py
