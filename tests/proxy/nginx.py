"""A real nginx in front of a key server, on loopback, as an ordinary process in a folder of its own."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.servers import Identity, KeyServer, free_port, make_identity

NGINX = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")

_CONFIG = """\
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/nginx.error.log;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    upstream kes {{ server 127.0.0.1:{upstream}; keepalive 16; }}
    server {{
        listen 127.0.0.1:{port} ssl http2;
        ssl_certificate {front_cert}; ssl_certificate_key {front_key};
        ssl_verify_client optional_no_ca;
        location / {{
            proxy_pass https://kes;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header X-Tls-Client-Cert $ssl_client_escaped_cert;
            proxy_ssl_certificate {proxy_cert}; proxy_ssl_certificate_key {proxy_key};
        }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, server: KeyServer, proxy: Identity) -> Iterator[KeyServer]:
    """The same server as seen through nginx: `port` is nginx's, `tls` its certificate."""
    assert NGINX is not None
    home = folder / "nginx"
    home.mkdir()
    front = make_identity(home, "front")
    port = free_port()
    config = home / "nginx.conf"
    config.write_text(
        _CONFIG.format(
            folder=home,
            upstream=server.port,
            port=port,
            front_cert=front.cert,
            front_key=front.key,
            proxy_cert=proxy.cert,
            proxy_key=proxy.key,
        )
    )
    process = subprocess.Popen([NGINX, "-e", str(home / "start.log"), "-p", str(home), "-c", str(config)])
    try:
        _wait(port, process, home)
        yield KeyServer(server.folder, port, server.admin, front, server.process)
    finally:
        process.terminate()
        process.wait(10)


def _wait(port: int, process: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + 20
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        log = home / "nginx.error.log"
        text = log.read_text() if log.exists() else ""
        assert process.poll() is None, f"nginx ended: {text}{(home / 'start.log').read_text()}"
        assert time.monotonic() < deadline, text
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
