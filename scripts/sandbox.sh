#!/usr/bin/env bash
# Runs the program as an unprivileged user, on a file system that is read-only except for its data
# directory and holds only the program and its rules: no /etc, no /tmp, no libraries. It must find
# an alert, answer, stop cleanly, start again, and leave files that other users cannot read.
#
# Needs Linux, Go and unshare, and either root or the right to make user namespaces; where that is missing it says so, and succeeds.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ "$(id -u)" = 0 ]; then apart=(unshare --mount) owner=65534; else apart=(unshare --user --map-root-user --mount) owner=$(id -u); fi
if [ "$(uname)" != Linux ] || ! command -v unshare chroot >/dev/null || ! "${apart[@]}" true 2>/dev/null; then
  echo 'SKIPPED: this machine does not let us make a file system of our own'
  exit 0
fi
scratch=$(mktemp -d)
chmod 755 "$scratch"
trap 'kill "${broker:-}" "${engine:-}" 2>/dev/null || true; rm -rf "$scratch"' EXIT
fail() { echo "FAILED: $*"; cat "$scratch"/*.txt; exit 1; }

root=$scratch/root
mkdir -p "$root/data"
CGO_ENABLED=0 go build -o "$root/alert-engine" ./cmd/alert-engine
cp internal/app/demo/shop.rules.yml "$root/rules.yml"
if [ "$(id -u)" = 0 ]; then chown $owner:$owner "$root/data"; fi

# The demo is the Kafka, and writes the logs.
"$root/alert-engine" demo --broker 127.0.0.1:29092 --listen 127.0.0.1:0 >"$scratch/demo.txt" 2>&1 &
broker=$!

# start runs the program within: its own root is read-only, and only the data directory is not.
start() {
  "${apart[@]}" sh -euc '
    mount --make-rprivate / 2>/dev/null || true
    mount --bind "$1" "$1" && mount --bind "$1/data" "$1/data"
    mount -o remount,bind,ro "$1"
    if [ "$2" = 65534 ]; then user=--userspec=65534:65534; else user=; fi
    exec setpriv --no-new-privs chroot $user "$1" /alert-engine run --brokers 127.0.0.1:29092 --topic shop-logs --start end --rules /rules.yml --data-dir /data --listen 127.0.0.1:28080 --terminal
  ' sh "$root" "$owner" >"$scratch/engine-$1.txt" 2>&1 &
  engine=$!
}

# until_holds waits until a command succeeds.
until_holds() {
  for _ in $(seq 1 60); do
    "$@" && return 0
    kill -0 "$engine" 2>/dev/null || fail "it has ended"
    sleep 1
  done
  fail "it does not come to be: $*"
}

ready() { (exec 3<>/dev/tcp/127.0.0.1/28080 && printf 'GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n' >&3 && grep -q ' 200 OK' <&3) 2>/dev/null; }

for run in first second; do
  start $run
  until_holds ready
  [ $run = second ] || until_holds grep -q FIRING "$scratch/engine-first.txt"
  status=$(cat /proc/$engine/status)
  [ "$(awk '/^Uid:/ {print $2, $3}' <<<"$status")" = "$owner $owner" ] || fail "it runs as another user: $status"
  if [ "$owner" = 65534 ]; then grep -q '^CapEff:[[:space:]]*0*$' <<<"$status" || fail "it has rights: $status"; fi
  grep -q '^NoNewPrivs:[[:space:]]*1' <<<"$status" || fail "it may get rights"
  [ ! -e "$root/probe" ] && ! touch "/proc/$engine/root/probe" 2>/dev/null || fail "its file system can be written to"
  kill -TERM "$engine"
  wait "$engine" || fail "it did not stop cleanly"
done
open=$(find "$root/data" \( -type f ! -perm 600 -o -type d ! -perm 700 \) ! -path "$root/data")
[ -z "$open" ] || fail "others may read $open"
[ -n "$(find "$root/data" -type f)" ] || fail "it has kept nothing"
[ "$(find "$root" -mindepth 1 -maxdepth 1 | wc -l)" = 3 ] || fail "it has left something elsewhere: $(ls "$root")"
echo "it runs without rights on a read-only file system, and keeps $(find "$root/data" -type f | wc -l) files of its own"
