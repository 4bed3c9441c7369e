#!/usr/bin/env bash
# OpenTelemetry for Node drops the attributes of a log that are a Date or a BigInt; the log itself arrives without them.
# An error under a key of its own loses that key: it becomes exception.type, exception.message and exception.stacktrace.
# Seen with @opentelemetry/sdk-logs 0.223.1 and @opentelemetry/winston-transport 0.34.0 on winston 3.19.0.
# For rules: `check --against` names the field that no log has.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund @opentelemetry/sdk-logs@0.223.1 @opentelemetry/api-logs@0.223.1 @opentelemetry/winston-transport@0.34.0 winston@3.19.0
cat >finding.js <<'JS'
const { LoggerProvider, SimpleLogRecordProcessor, InMemoryLogRecordExporter } = require('@opentelemetry/sdk-logs');
const { logs } = require('@opentelemetry/api-logs');
const exporter = new InMemoryLogRecordExporter();
logs.setGlobalLoggerProvider(new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter })] }));
const winston = require('winston');
const { OpenTelemetryTransportV3 } = require('@opentelemetry/winston-transport');
const log = winston.createLogger({ transports: [new OpenTelemetryTransportV3()] });
log.error('payment failed', { order: 7, due: new Date(0), amount: 10n, err: new Error('refused') });
setTimeout(() => {
  const keys = exporter.getFinishedLogRecords().map(r => Object.keys(r.attributes).sort().join(' ')).join('; ');
  console.log(keys);
  if (keys !== 'exception.message exception.stacktrace exception.type order') {
    console.log('CHANGED');
    process.exit(1);
  }
}, 300);
JS
node finding.js
