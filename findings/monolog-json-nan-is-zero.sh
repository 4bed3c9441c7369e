#!/usr/bin/env bash
# Monolog's JSON formatter writes a number that is NaN or infinite as 0. A rule for small values fires, and a sum is wrong.
# The Fluentd formatter writes an exception as {}, and no line end between records.
# Seen with php-monolog 2.9.1 and PHP 8.2 (Debian 12).
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
[ -e /usr/share/php/Monolog/autoload.php ] || apt-get install -y -q php-cli php-monolog=2.9.1-1 >/dev/null
cat >finding.php <<'PHP'
<?php
require '/usr/share/php/Monolog/autoload.php';
foreach ([new Monolog\Formatter\JsonFormatter(), new Monolog\Formatter\FluentdFormatter()] as $formatter) {
    $handler = new Monolog\Handler\StreamHandler('php://stdout');
    $handler->setFormatter($formatter);
    $log = new Monolog\Logger('shop', [$handler]);
    $log->error('free space', ['ratio' => NAN, 'limit' => INF]);
    $log->error('failed', ['exception' => new RuntimeException('card refused')]);
    echo "\n";
}
PHP
php finding.php | sed -E 's/"datetime":"[^"]*"/"datetime":""/g; s/"shop",[0-9]+/"shop",0/g; s/"file":"[^"]*"/"file":""/' | grep . | tee seen.txt
diff seen.txt - <<'OUT' || { echo CHANGED; exit 1; }
{"message":"free space","context":{"ratio":0,"limit":0},"level":400,"level_name":"ERROR","channel":"shop","datetime":"","extra":{}}
{"message":"failed","context":{"exception":{"class":"RuntimeException","message":"card refused","code":0,"file":""}},"level":400,"level_name":"ERROR","channel":"shop","datetime":"","extra":{}}
["shop",0,{"message":"free space","context":{"ratio":0,"limit":0},"extra":[],"level":400,"level_name":"ERROR"}]["shop",0,{"message":"failed","context":{"exception":{}},"extra":[],"level":400,"level_name":"ERROR"}]
OUT
