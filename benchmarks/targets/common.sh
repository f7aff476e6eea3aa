# Sourced by each target's ctl: where certificates, users and scratch are, and made when they are missing.
#   CERTS/ecdsa.crt and .key: P-256, self-signed   USERS: `address:password` lines   RUN: scratch   SINK_PORT: next hop
# BENCH_DIR must be on the disk that is meant, its path short (Unix sockets) and open for servers that drop their rights.
# shellcheck shell=bash disable=SC2034
set -eu
B=${BENCH_DIR:?the folder for state of the servers}
RUN=$B/run CERTS=$B/certs USERS=$B/users CERT=ecdsa
SINK_PORT=${SINK_PORT:-29025}
mkdir -p "$RUN" "$CERTS"
chmod 755 "$B" "$RUN" "$CERTS"

make_certificate() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj /CN=mail.bench.test \
    -keyout "$CERTS/ecdsa.key" -out "$CERTS/ecdsa.new" 2> /dev/null
  chmod 600 "$CERTS/ecdsa.key"
  mv "$CERTS/ecdsa.new" "$CERTS/ecdsa.crt"
}

make_users() {
  local number
  for number in $(seq 100); do echo "user$number@bench.test:Secret-$number-pass"; done > "$USERS.new"
  chmod 644 "$USERS.new"
  mv "$USERS.new" "$USERS"
}

[ -s "$CERTS/ecdsa.crt" ] || make_certificate
[ -s "$USERS" ] || make_users
