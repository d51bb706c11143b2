#!/bin/sh
# The main job on this machine, as an ordinary user: runs openkes.kes.site against localhost, without systemd.
#   tools/demo.sh         set up, roll out, say how to go on; a second run changes nothing
#   tools/demo.sh stop    stop the key server; its keys stay
set -eu
cd "$(dirname "$0")/.."
checkout=$PWD
venv=${OPENKES_VENV:-$checkout/.venv}
folder=${XDG_DATA_HOME:-$HOME/.local/share}/openkes-demo
port=${OPENKES_DEMO_PORT:-7373}
pid_file=$folder/server/state/kes.pid
log=$folder/server/log/kes.log

fail() {
    echo "demo: $1" >&2
    exit 1
}

running() { # whether the process of the pid file is the demo's key server
    [ -r "$pid_file" ] && pid=$(cat "$pid_file") && [ -r "/proc/$pid/cmdline" ] &&
        tr '\0' '\n' <"/proc/$pid/cmdline" | grep -qxF "$folder/server/config.yml"
}

stop() {
    if ! running; then
        echo "demo: the key server is not running"
        return
    fi
    kill "$pid"
    left=300 # tenths of a second; it finishes running requests for up to 15 s
    while running; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "process $pid does not stop; look at $log"
        sleep 0.1
    done
    echo "demo: stopped. Keys and settings stay in $folder; make demo starts it again."
}

case ${1-} in
stop)
    stop
    exit 0
    ;;
"") ;;
*) fail "usage: tools/demo.sh [stop]" ;;
esac

begin=$(date +%s)
tools/setup.sh run
if ! running && "$venv/bin/python" -c "
import socket, sys
sys.exit(socket.socket().connect_ex(('127.0.0.1', $port)) != 0)"; then
    fail "port $port is in use by another program: stop it (ss -ltnp shows it), or choose another: OPENKES_DEMO_PORT=7374 make demo"
fi
mkdir -p "$folder"
chmod 700 "$folder"
ANSIBLE_COLLECTIONS_PATH=$(tools/collection-path.sh)
ANSIBLE_HOME=$folder/ansible
export ANSIBLE_COLLECTIONS_PATH ANSIBLE_HOME ANSIBLE_LOCALHOST_WARNING=false ANSIBLE_NOCOWS=1
export ANSIBLE_PIPELINING=true ANSIBLE_DISPLAY_SKIPPED_HOSTS=false ANSIBLE_CALLBACK_RESULT_FORMAT=yaml
"$venv/bin/ansible-playbook" -i examples/demo/inventory.yml openkes.kes.site --diff \
    -e "openkes_demo_folder=$folder openkes_demo_program=$venv/bin/kes openkes_demo_port=$port"

export KES_SERVER="https://127.0.0.1:$port" KES_CA_PATH="$folder/operator/trust.crt"
export KES_CLIENT_KEY="$folder/operator/admin.key" KES_CLIENT_CERT="$folder/operator/admin.crt"
key=$(sed -n 's/^MINIO_KMS_KES_KEY_NAME=//p' "$folder/minio/minio.env")
KES_CLIENT_KEY=$folder/minio/client.key KES_CLIENT_CERT=$folder/minio/client.crt \
    "$venv/bin/kes" key dek "$key" >/dev/null
cat <<END

It works: MinIO's identity got a data key from $key ($(($(date +%s) - begin)) s in all).

  key server     https://127.0.0.1:$port, process $(cat "$pid_file"), log $log
  engine         $(sed -n 's/^  engine  *//p' "$log" | tail -n 1)
  keys           $folder/server/state/keys
  admin          $folder/operator/admin.key, admin.crt
  for MinIO      $folder/minio/minio.env (add it to MinIO's own environment, then start MinIO)

Talk to it:
  export KES_SERVER=$KES_SERVER KES_CA_PATH=$KES_CA_PATH
  export KES_CLIENT_KEY=$KES_CLIENT_KEY KES_CLIENT_CERT=$KES_CLIENT_CERT
  $venv/bin/kes key ls
  $venv/bin/kes status
Stop it:
  make demo-stop
END
