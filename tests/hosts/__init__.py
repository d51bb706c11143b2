"""Real test hosts: Debian 12 with systemd and sshd, booted by systemd-nspawn on a bridge of their own.

Owns hosts, their network and their way in. Knows nothing of Ansible roles, key servers or MinIO.
A *run* is a named set of hosts that see each other and nothing else; `python -m tests.hosts` is the door.
"""
