"""The parts of the pure-Python engine: cheroot's server and request classes over pyOpenSSL.

One thread selects, does handshakes and reads requests, without ever waiting for a client; the pool's threads get
whole requests and write the answers. `openkes.front.python` puts the parts together.
"""
