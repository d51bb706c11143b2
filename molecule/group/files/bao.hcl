storage "raft" {
  path    = "/var/lib/openbao/data"
  node_id = "bao-1"
}
listener "tcp" {
  address         = "0.0.0.0:8200"
  cluster_address = "127.0.0.1:8201"
  tls_cert_file   = "/etc/openbao/tls.crt"
  tls_key_file    = "/etc/openbao/tls.key"
}
api_addr     = "https://bao-1:8200"
cluster_addr = "https://127.0.0.1:8201"
log_level    = "warn"
